"""Made-up secrets in the places where real ones are found: texts with the secret between « and ».

`{hex:32}` and the like stand for random characters, so that every planted secret is one of a kind and this file
holds none.
"""

from __future__ import annotations

import base64
import random
import re
import string
from collections.abc import Iterator
from typing import NamedTuple

_ALPHABETS = {
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "low": string.ascii_lowercase + string.digits,
    "UP": string.ascii_uppercase + string.digits,
    "ABC": string.ascii_uppercase,
    "an": string.ascii_letters + string.digits,
    "url": string.ascii_letters + string.digits + "-_",
    "b64": string.ascii_letters + string.digits + "+/",
    "pw": string.ascii_letters + string.digits + "!#%^*-_.",
    "num": string.digits,
}

#: Kind -> texts. What stands between « and » must not survive.
TEMPLATES: dict[str, tuple[str, ...]] = {
    "databricks_pat": (
        "databricks auth: using token «dapi{hex:32}»",
        "host=https://adb-1.2.azuredatabricks.net token=«dapi{hex:32}-2»",
        '{"DATABRICKS_TOKEN": "«dapi{hex:32}»", "cluster": "c1"}',
        'logs: "line one\\n«dapi{hex:32}»\\nline three"',
        "requests.get(url, headers={'Authorization': 'Bearer «dapi{hex:32}»'})",
        "\x1b[32m«dapi{hex:32}»\x1b[0m",
        "databricks configure --token «dapi{hex:32}»",
        "x%3D«dapi{hex:32}»%26y",
    ),
    "databricks_oauth": (
        "client_secret: «dose{hex:32}»",
        "DATABRICKS_CLIENT_SECRET=«dose{hex:32}»",
        "oauth refresh failed for «dkea{hex:32}»",
    ),
    "aws_access_key": (
        "aws_access_key_id = «AKIA{UP:16}»",
        "InvalidAccessKeyId: The AWS Access Key Id «AKIA{ABC:16}» you provided does not exist in our records.",
        "fs.s3a.access.key=«ASIA{UP:16}»",
        "s3a://«AKIA{UP:16}»:«{b64:40}»@bucket/path",
        "Credential=«AKIA{ABC:16}»/20261121/eu-west-1/s3/aws4_request",
    ),
    "aws_secret_key": (
        "aws_secret_access_key = «{b64:40}»",
        "spark.hadoop.fs.s3a.secret.key «{b64:40}»",
        "export AWS_SECRET_ACCESS_KEY=«{b64:40}»",
        "AWSSecretKey: «{b64:40}»",
        "used key «AKIA{UP:16}» / «{b64:40}» for it",
        '"SecretAccessKey": "«{b64:40}»",',
        "secretAccessKey=«{b64:40}», region=eu-west-1",
    ),
    "aws_session_token": (
        "AWS_SESSION_TOKEN=«IQoJb3JpZ2luX2VjE{b64:200}»",
        "fs.s3a.session.token=«FwoGZXIvYXdzE{b64:120}»",
        '"SessionToken" : "«IQoJb3JpZ2luX2VjE{b64:120}==»"',
        "GET /b/k?X-Amz-Security-Token=«IQoJ{an:80}%2F{an:40}»&X-Amz-Signature=«{hex:64}» HTTP/1.1",
    ),
    "azure_sas": (
        "https://lake.blob.core.windows.net/raw/a.csv?sv=2022-11-02&ss=b&sp=rl&sig=«{an:20}%2B{an:20}%3D»",
        "fs.azure.sas.raw.lake.blob.core.windows.net=?sv=2022-11-02&st=2026&sig=«{an:40}%3D»&se=2027",
        "wasbs://c@a.blob.core.windows.net/p?sig=«{b64:42}=»",
    ),
    "azure_storage_key": (
        "fs.azure.account.key.lake.dfs.core.windows.net «{b64:86}==»",
        "DefaultEndpointsProtocol=https;AccountName=lake;AccountKey=«{b64:86}==»;EndpointSuffix=core.windows.net",
        'spark.conf.set("fs.azure.account.key.lake.blob.core.windows.net", "«{b64:86}==»")',
        "credential='«{b64:86}==»'",
    ),
    "azure_bus": (
        "Endpoint=sb://bus.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=«{b64:43}=»;EntityPath=e",
        "eventhubs.connectionString=Endpoint=sb://h.servicebus.windows.net/;SharedAccessKeyName=r;SharedAccessKey=«{b64:43}=»",
        "AccountEndpoint=https://c.documents.azure.com:443/;AccountKey=«{b64:86}==»;",
        "HostName=h.azure-devices.net;DeviceId=d;SharedAccessKey=«{b64:43}=»",
        "InstrumentationKey=«{hex:8}-{hex:4}-{hex:4}-{hex:4}-{hex:12}»;IngestionEndpoint=https://x.in.applicationinsights.azure.com/",
    ),
    "azure_sql": (
        "Server=tcp:s.database.windows.net,1433;Initial Catalog=d;User ID=u;Password=«{pw:14}»;Encrypt=True",
        "jdbc:sqlserver://s.database.windows.net:1433;database=d;user=u@s;password=«{an:14}»;encrypt=true",
        "Driver={ODBC Driver 18};Server=s;UID=sa;PWD=«{an:10}!»",
    ),
    "azure_client_secret": (
        "client_secret=«{an:3}8Q~{an:34}»",
        "fs.azure.account.oauth2.client.secret «{an:3}8Q~{an:34}»",
        "AADSTS7000215: Invalid client secret provided: «{an:3}8Q~{an:34}».",
        "AZURE_CLIENT_SECRET: '«{an:34}»'",
    ),
    "gcp": (
        "key: «AIza{url:35}»",
        "Authorization: Bearer «ya29.{url:80}»",
        "access_token=«ya29.c.{url:90}»",
        '"client_secret": "«GOCSPX-{url:28}»"',
        '{"type": "service_account", "private_key_id": "«{hex:40}»", "private_key": "-----BEGIN {P}PRIVATE KEY-----\\n«{b64:64}»\\n«{b64:64}»\\n-----END {P}PRIVATE KEY-----\\n", "client_email": "x@y.iam.gserviceaccount.com"}',
        '"refresh_token": "«1//0{url:60}»"',
    ),
    "github": (
        "git clone https://«ghp_{an:36}»@github.com/acme/etl.git",
        "fatal: unable to access 'https://x-access-token:«ghs_{an:36}»@github.com/a/b/'",
        "GITHUB_TOKEN=«github_pat_{an:22}_{an:59}»",
        "remote: token «gho_{an:36}» expired",
    ),
    "gitlab": (
        "https://oauth2:«glpat-{url:20}»@gitlab.com/a/b.git",
        "PRIVATE-TOKEN: «glpat-{url:20}»",
        "CI_JOB_TOKEN=«{an:20}»",
    ),
    "slack": (
        "slack_token=«xoxb-{num:12}-{num:12}-{an:24}»",
        "POST https://hooks.slack.com/services/«T{UP:8}/B{UP:10}/{an:24}» 404",
        "app token «xapp-1-A{UP:10}-{num:13}-{hex:64}»",
        "https://acme.webhook.office.com/webhookb2/«{hex:8}-{hex:4}-{hex:4}-{hex:4}-{hex:12}@{hex:8}-{hex:4}-{hex:4}-{hex:4}-{hex:12}/IncomingWebhook/{hex:32}»/x",
        "https://discord.com/api/webhooks/«{num:18}/{url:68}»",
    ),
    "ai": (
        "OPENAI_API_KEY=«sk-proj-{url:48}»",
        "Incorrect API key provided: «sk-{an:20}T3BlbkFJ{an:20}».",
        "x-api-key: «sk-ant-api03-{url:90}»",
        "HfApi(token='«hf_{an:34}»')",
        "LANGSMITH_API_KEY=«lsv2_pt_{hex:32}_{hex:10}»",
        "COHERE_API_KEY: «{an:40}»",
    ),
    "jwt": (
        "token «eyJhbGciOiJSUzI1NiJ9.eyJ{url:60}.{url:86}»",
        "Cookie: session=«eyJ{url:20}.eyJ{url:40}.{url:43}»",
        "id_token=«eyJ{url:30}.eyJ{url:50}.{url:43}»&state=1",
        "assertion='«eyJ{url:30}.eyJ{url:50}.{url:43}»'",
    ),
    "headers": (
        "> Authorization: Basic «{b64:24}==»",
        "authorization: bearer «{an:32}»",
        "'Proxy-Authorization': 'Basic «{b64:20}=»'",
        'Authorization: Digest username="u", realm="r", nonce="n", response="«{hex:32}»"',
        "Set-Cookie: JSESSIONID=«{HEX:32}»; Path=/; HttpOnly",
        "< set-cookie: __Host-session=«{url:43}»; Secure",
        "curl -H 'X-Api-Key: «{an:32}»' https://api.acme.dev/v1/x",
        "X-Vault-Token: «hvs.{url:90}»",
        "Ocp-Apim-Subscription-Key: «{hex:32}»",
        "api-key: «{hex:32}»",
        "Authorization: token «{hex:40}»",
        "Authorization: AWS4-HMAC-SHA256 Credential=«AKIA{UP:16}»/20261121/eu/s3/aws4_request, SignedHeaders=host, Signature=«{hex:64}»",
    ),
    "jdbc": (
        "jdbc:postgresql://dwh:5432/mart?user=etl&password=«{pw:12}»&ssl=true",
        "jdbc:mysql://h:3306/d?user=u&password=«{an:10}»",
        "jdbc:snowflake://a.snowflakecomputing.com/?user=U&password=«{an:14}»&db=D",
        "jdbc:oracle:thin:scott/«{an:10}»@//h:1521/x",
        "jdbc:redshift://c:5439/d;UID=u;PWD=«{an:12}»",
        "jdbc:databricks://adb.net:443;AuthMech=3;UID=token;PWD=«dapi{hex:32}»",
        "connection properties: {user=etl, password=«{an:12}», driver=org.postgresql.Driver}",
        'option("password", "«{an:12}»")',
        ".option('password','«{an:12}»')",
    ),
    "url_userinfo": (
        "postgresql+psycopg://etl:«{an:10}»@dwh.acme.dev:5432/mart",
        "postgresql://etl:«{an:4}@{an:4}:{an:4}»@dwh/mart",
        "amqp://svc:«{an:6}%40{an:4}%2F»@mq:5672/v",
        "mongodb+srv://u:«{an:12}»@cluster0.abc.mongodb.net/db?retryWrites=true",
        "redis://:«{an:16}»@cache:6379/0",
        "https://build:«{an:14}»@artifactory.acme.dev/api/pypi/pypi/simple",
        "Looking in indexes: https://__token__:«{an:30}»@pkgs.acme.dev/simple, https://pypi.org/simple",
        "ftp://files:«{an:4}/{an:4}»@ftp.acme.dev/in",
        "snowflake://U:«{an:12}»@acct/db",
        "sftp://u:«{an:5}#{an:3}»@h/in",
        "http_proxy=http://corp%5Cuser:«{an:10}»@proxy:3128",
    ),
    "kafka": (
        'kafka.sasl.jaas.config=kafkashaded.org.apache.kafka.common.security.plain.PlainLoginModule required username="k" password="«{an:20}»";',
        "sasl.jaas.config = org.apache.kafka.common.security.scram.ScramLoginModule required username='u' password='«{pw:16}»';",
        "ssl.keystore.password = «{an:12}»",
        "ssl.key.password=«{an:12}»",
        "basic.auth.user.info=«KEY{an:10}:{b64:40}»",
    ),
    "private_key": (
        "-----BEGIN RSA {P}PRIVATE KEY-----\n«{b64:64}»\n«{b64:64}»\n«{b64:30}==»\n-----END RSA {P}PRIVATE KEY-----",
        "-----BEGIN OPENSSH {P}PRIVATE KEY-----\n«b3BlbnNzaC1rZXktdjEA{b64:50}»\n«{b64:70}»\n-----END OPENSSH {P}PRIVATE KEY-----",
        "-----BEGIN PGP {P}PRIVATE KEY BLOCK-----\nVersion: 1\n\n«{b64:64}»\n«{b64:64}»\n=«{b64:4}»\n-----END PGP {P}PRIVATE KEY BLOCK-----",
        "26/11/21 INFO k: -----BEGIN {P}PRIVATE KEY-----«{b64:64}»-----END {P}PRIVATE KEY-----",
        "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nComment: c\nPrivate-Lines: 2\n«{b64:64}»\n«{b64:60}»\nPrivate-MAC: x",
        "«{b64:64}»\n«{b64:64}»\n-----END RSA {P}PRIVATE KEY-----",
    ),
    "files": (
        '{"auths": {"registry.acme.dev": {"auth": "«{b64:28}»"}}}',
        "machine git.acme.dev login etl password «{an:12}»",
        "//registry.npmjs.org/:_authToken=«npm_{an:36}»",
        "//npm.acme.dev/:_password=«{b64:20}=»",
        "password = «pypi-AgEIcHlwaS5vcmc{url:100}»",
        "dwh.acme.dev:5432:mart:etl:«{an:12}»  # .pgpass password",
        "  password: «{pw:12}»",
        "  aws_secret: '«{an:20}»'",
        'db.password = "«{an:12}»"  # HOCON',
        "[default]\ntoken = «dapi{hex:32}»",
    ),
    "saas": (
        "twilio «SK{hex:32}»",
        "SENDGRID_API_KEY=«SG.{url:22}.{url:43}»",
        "stripe.api_key = '«sk_live_{an:24}»'",
        "DD_API_KEY=«{hex:32}»",
        "pagerduty: routing_key=«{hex:32}»",
        "DD-API-KEY: «{hex:32}»",
        "mailgun key-«{hex:32}»",
        "NEW_RELIC_LICENSE_KEY=«{hex:36}NRAL»",
        "SNOWFLAKE_PASSWORD=«{an:12}»",
        "shopify «shpat_{hex:32}»",
        "CONFLUENT_API_SECRET=«{b64:64}»",
    ),
    "shell": (
        "+ sshpass -p «{an:10}» ssh etl@host",
        "+ curl -s -u etl:«{an:10}» https://x.dev/api",
        "+ curl --user 'etl:«{pw:10}»' https://x.dev/api",
        "+ export DB_SECRET=«{an:12}»",
        "+ PGPASSWORD=«{an:10}» psql -h dwh",
        "mysql -h h -u root -p«{an:10}» mart",
        "python etl.py --db-password «{an:10}» --date 2026-11-21",
        "etl --api-key=«{an:32}» run",
        "spark-submit --conf spark.hadoop.javax.jdo.option.ConnectionPassword=«{an:12}» a.py",
        "docker login -u ci -p «{an:14}» registry.acme.dev",
        "az login --service-principal -u app -p «{an:34}» --tenant t",
        "wget --http-password=«{an:12}» https://x",
        "echo «{an:16}» | docker login --password-stdin",
        "set MYSQL_PWD=«{an:12}»",
        "redis-cli -a «{an:14}» ping",
        "snowsql -a acct -u U --password «{an:12}»",
        "gpg --passphrase «{an:12}» -d f",
        "openssl enc -d -k «{an:14}» -in f",
    ),
    "formats": (
        '{"user": "etl", "password": "«{pw:12}»"}',
        "{'user': 'etl', 'password': '«{pw:12}»'}",
        '{\\"password\\": \\"«{an:12}»\\"}',
        "Config(host='h', password='«{an:12}»', port=1)",
        "Map(user -> etl, password -> «{an:12}»)",
        "{password=«{an:12}», user=etl}",
        "password: !!str «{an:12}»",
        "<property><name>javax.jdo.option.ConnectionPassword</name><value>«{an:12}»</value></property>",
        "<password>«{an:10}»</password>",
        "password\\u003d«{an:12}»\\u0026ssl=true",
        "password%3D«{an:12}»%26ssl",
        "| password | «{an:12}» |",
        "|spark.hadoop.fs.s3a.secret.key|«{b64:40}»|",
        "(spark.databricks.token,«dapi{hex:32}»)",
        "spark.hadoop.my.client.secret   «{an:20}»",
        "--password=«{an:10}»",
        "-Djavax.net.ssl.keyStorePassword=«{an:10}»",
        "db_password := '«{an:10}»'",
        "password=>'«{an:10}»'",
        "DB_PASS=«{an:10}»",
        "passwd: «{an:10}»7",
        "pwd=«{an:10}»",
        "my_secret_value=«{an:10}»",
        "PASSWORD '«{an:10}»' VALID UNTIL",
        "CREATE USER etl WITH PASSWORD '«{an:12}»'",
        "IDENTIFIED BY '«{an:12}»'",
        "create_engine(password=«{an:8}»)",
        '"value": "«{an:12}»", "key": "db_password"',
        "password=\x1b[31m«{an:12}»\x1b[0m",
        "token=«{hex:40}»",
    ),
    "stack": (
        "  args = ('etl', 'password=«{an:12}»')",
        "TypeError: connect() got host='h' user='u' password='«{an:12}»' port=1",
        "py4j: at call load.option(password,«{an:12}»)",
        '    conn = psycopg.connect("host=h dbname=d user=u password=«{an:12}»")',
        "java.sql.SQLException: Access denied (using password: YES) for jdbc:mysql://h/d?user=u&password=«{an:12}»",
        "RuntimeError: bad credentials: {'api_key': '«{an:32}»'}",
        "ValueError('token', '«{hex:40}»')",
        "HTTPError: 401 Client Error for url: https://api.acme.dev/v1/x?api_key=«{an:24}»&page=1",
        "url: https://api.acme.dev/v1?access_token=«{an:32}»",
        "https://api.acme.dev/x?apikey=«{an:24}»#frag",
    ),
    "encoded": (
        "payload: «{B64:password=|an:12|;user=etl}»",
        "data:\n  password: «{B64:|an:14|}»",
        "secret blob «{B64:dapi|hex:32|}» read",
        'config=«{B64:{"client_secret": "|an:20|"}}»',
    ),
    "wrapped": (
        "token: eyJhbGciOiJSUzI1NiJ9.eyJ{url:50}\n«{url:40}.{url:36}»\nnext line",
        "AccountKey={b64:60}\n«{b64:26}==»\nnext line",
        "AWS_SESSION_TOKEN=IQoJb3JpZ2luX2VjE{b64:40}\n«{b64:70}»\n«{b64:33}=»\nnext line",
    ),
}


class Planted(NamedTuple):
    """A text, the secrets in it, and their kind."""

    kind: str
    text: str
    secrets: list[str]


def planted(number: random.Random, kind: str, template: str) -> Planted:
    """A template with random secrets."""
    text = re.sub(r"\{B64:(.*?)\}(?=»)", lambda m: _encoded(number, m[1]), template).replace("{P}", "")
    text = re.sub(r"\{(\w+):(\d+)\}", lambda m: _made(number, m[1], int(m[2])), text)
    return Planted(kind, re.sub("[«»]", "", text), re.findall("«([^»]*)»", text))


def many(seed: int, rounds: int) -> Iterator[Planted]:
    """Every template so many times."""
    number = random.Random(seed)
    for _ in range(rounds):
        for kind, templates in TEMPLATES.items():
            for template in templates:
                yield planted(number, kind, template)


def _made(number: random.Random, alphabet: str, length: int) -> str:
    chars = _ALPHABETS[alphabet]
    while True:
        found = "".join(number.choice(chars) for _ in range(length))
        plain = length < 8 or alphabet in ("ABC", "num")
        if found[0].isalnum() and found[-1].isalnum() and (plain or any(map(str.isdigit, found))):
            return found


def _encoded(number: random.Random, inner: str) -> str:
    said = re.sub(r"\|(\w+):(\d+)\|", lambda m: _made(number, m[1], int(m[2])), inner)
    return base64.b64encode(said.encode()).decode()
