"""Lines of logs, code and settings that look a little like secrets and hold none."""

from __future__ import annotations

LINES = r"""{"error": "invalid_token", "error_description": "The access token 8f14e45f expired at 2026-11-21T03:00:00Z"}
{"error":"invalid_client","error_description":"AADSTS700016: Application with identifier '2b1c4d3e-aaaa-bbbb-cccc-0123456789ab' was not found"}
commit 981aa3b0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6
git sha: 981aa3b0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6
image docker.io/acme/etl@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
digest=sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
run id 1f0a5f1e-9f0c-4c1b-9a53-3c2c5e1f8f0d
application_1700000000000_0042 app-20261121031244-0007 executor 3
checkpointLocation=dbfs:/mnt/checkpoints/orders_v2/8f14e45fceea167a5a36dedd4bea2543
{"stats":"{\"numRecords\":12,\"minValues\":{\"id\":1}}","add":{"path":"part-00000-94bab888-65fb-48fb-8b12-131c6274b3f3-c000.snappy.parquet"}}
ARROW:schema=/////6gAAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAEAAAAUAAAAEAAUAAgABgAHAAwAAAA
password: null
password=None, user=etl
password = ""
password=${DB_PASSWORD}
password: "{{ env_var('DBT_PASSWORD') }}"
password=dbutils.secrets.get("prod", "dwh-password")
token = os.environ["DATABRICKS_TOKEN"]
token = dbutils.secrets.get(scope="prod", key="api-token")
token_count=512 total_tokens=1024 max_tokens: 4096
"prompt_tokens": 812, "completion_tokens": 13
Secret does not exist with scope: prod and key: dwh_password
SecretNotFound: secret scope=prod key=dwh-password-2024 not found
RESOURCE_DOES_NOT_EXIST: Secret scope prod does not exist
dbutils.secrets.get(scope='prod', key='warehouse-password-v2')
py4j.protocol.Py4JJavaError: com.databricks.common.client.DatabricksServiceHttpClientException: RESOURCE_DOES_NOT_EXIST: Failed to get secret dwh_password2 for scope prod1
KeyError: 'customer_key_2024'
primary key: order_id, sort key=order_date_2026
partition_key=2026-11-21-region-eu-west-1
key=part-00012-94bab888-65fb-48fb-8b12-131c6274b3f3.c000
S3 key: raw/orders/2026/11/21/part-0001.parquet
Error: NoSuchKey: The specified key does not exist. Key: raw/orders/2026/11/21/f1.parquet
hash=8f14e45fceea167a5a36dedd4bea2543 size=12
md5 hash: 5d41402abc4b2a76b9719d911017c592
etag: "5d41402abc4b2a76b9719d911017c592"
x-amz-request-id: 4442587FB7D0A2F9, x-amz-id-2: vlR7PnpV2Ce81l0PRw6jlUpck7Jo5ZsQjryTjKlc5aLWGVHPZLj5NeC6qMa0emYBDXOo6QBU0Wo=
RequestId:8f14e45f-ceea-167a-5a36-dedd4bea2543 Time:2026-11-21T03:00:00Z
org.apache.spark.SparkException: token 'FROM' unexpected
mismatched input 'password' expecting {<EOF>, ';'}
Column 'password' does not exist. Did you mean one of the following? [user.pass_date, user.name]
[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column with name `token_2024` cannot be resolved
AuthenticationException: password authentication failed for user "etl"
java.sql.SQLException: ORA-01017: invalid username/password; logon denied
Login failed for user 'etl'. Reason: Password did not match that for the login provided.
FATAL: no pg_hba.conf entry for host "10.0.0.4", user "etl", database "mart", SSL off
The access token has expired. Please run `databricks auth login`.
401 Unauthorized: credential was not sent or was of an unsupported type for this API
ExpiredToken: The provided token has expired. (Service: Amazon S3; Status Code: 400; Error Code: ExpiredToken; Request ID: ABCD1234EFGH5678)
InvalidAccessKeyId: The AWS Access Key Id you provided does not exist in our records.
SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided. Check your key and signing method.
Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.
AADSTS7000222: The provided client secret keys for app '2b1c4d3e-aaaa-bbbb-cccc-0123456789ab' are expired.
AuthorizationFailure: This request is not authorized to perform this operation.
ssl.SSLCertVerificationError: certificate verify failed: unable to get local issuer certificate (_ssl.c:1006)
KeyError: 'token'
  File "/databricks/python/lib/python3.11/site-packages/azure/core/pipeline/policies/_authentication.py", line 67, in on_request
    self._token = await self._credential.get_token(*self._scopes)
    at com.amazonaws.auth.DefaultAWSCredentialsProviderChain.getCredentials(DefaultAWSCredentialsProviderChain.java:128)
    at org.apache.hadoop.fs.azurebfs.oauth2.AzureADAuthenticator.getTokenSingleCall(AzureADAuthenticator.java:436)
INFO SecurityManager: SecurityManager: authentication disabled; ui acls disabled; users with view permissions: root
INFO TokenCache: Got dt for hdfs://nn:8020; Kind: HDFS_DELEGATION_TOKEN
spark.databricks.passthrough.enabled=false
spark.hadoop.fs.s3a.aws.credentials.provider=com.amazonaws.auth.InstanceProfileCredentialsProvider
fs.azure.account.auth.type=OAuth
fs.azure.account.oauth.provider.type=org.apache.hadoop.fs.azurebfs.oauth2.ClientCredsTokenProvider
fs.azure.account.oauth2.client.endpoint=https://login.microsoftonline.com/2b1c4d3e-aaaa-bbbb-cccc-0123456789ab/oauth2/token
spark.sql.session.timeZone=UTC spark.app.id=local-1700000000000
-Djavax.net.ssl.trustStore=/databricks/jdk/cacerts -Dsun.nio.ch.disableSystemWideOverlappingFileLockCheck=true
ssl.truststore.location=/dbfs/certs/kafka_2024.jks
sasl.mechanism=SCRAM-SHA-512 security.protocol=SASL_SSL
INFO ConsumerConfig: key.deserializer = class org.apache.kafka.common.serialization.StringDeserializer
ssl.key.password = null
ssl.keystore.password = null
sasl.jaas.config = [hidden]
token: [REDACTED]
password: ********
passwd: xxxxx
secret: <redacted>
"auth": {"type": "oauth"}
auth_type=databricks-cli
auth: pat
author: j.doe2024
authority=https://login.microsoftonline.com/common
authors = ["Jane Doe <jane@acme.dev>"]
keyword arguments: {'path': '/mnt/a1', 'mode': 'r'}
monkey=1 donkey: 2 hotkey -> 3
cert=/etc/ssl/certs/ca-bundle.crt
salt: 12 hash partitions
sas_date=2026-11-21
Webhook delivered to https://pitstop.acme.dev/hooks 200
webhook_id=7a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9
Idempotency-Key: 7a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9
idempotency_token=7a1b2c3d4e5f60718293a4b5c6d7e8f9
next_page_token=CAEQoLH1mtMxGKGx9ZrTMSABKAE=
nextToken: eyJ2IjoxfQ
session_id=8f14e45fceea167a5a36dedd4bea2543
spark.databricks.clusterUsageTags.clusterId=1121-031200-abc123
cluster_key: main_2024_v2
job_cluster_key=etl_cluster_16_workers
task_key=load_orders_2026_11_21
user_key -> 12345
surrogate_key_hash=8f14e45fceea167a5a36dedd4bea2543
Foreign key constraint "fact_sales_customer_id_fkey" violated: Key (customer_id)=(924) is not present
duplicate key value violates unique constraint "orders_pkey" DETAIL: Key (order_id)=(A-2026-000123) already exists.
https://feed.acme.dev:8443/v3/shipments?since=2026-11-19&region=eu
dbfs:/mnt/raw@v12/file.parquet
abfss://raw@lake.dfs.core.windows.net/orders/2026
abfss://unity-catalog@ucmetastore0123456789abcd.dfs.core.windows.net/x
s3a://acme-lake-prod-0123456789/orders/2026/11
git@github.com:acme/etl.git
ssh://git@git.acme.dev:7999/etl.git
user@acme.dev mailto:data@acme.dev
https://adb-1234567890123456.7.azuredatabricks.net/?o=1234567890123456#job/42/run/1
mlflow run 8f14e45fceea167a5a36dedd4bea2543 in experiment 1234567890123456
model version source: dbfs:/databricks/mlflow-tracking/1234/8f14e45fceea167a5a36dedd4bea2543/artifacts/model
iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk
The secret sauce: more memory
pass 3 of 5: 12 rows
passed=12 failed=0 skipped=3
password must be at least 8 characters
Enter password:
Password for user etl:
invalid password for user scott
| user | password | host |
| id | token | created |
+--------+----------+
|token|count|
SELECT user, password FROM users
SELECT token FROM t WHERE key = 'a'
CREATE TABLE t (id INT, password STRING, secret STRING, token STRING)
StructField(password,StringType,true)
root\n |-- password: string (nullable = true)
 |-- api_key: string (nullable = true)
ALTER TABLE t ADD COLUMN secret_level INT
df.select("password", "token")
df = df.drop("password", "secret")
['user', 'password', 'host']
('password', 'string'), ('token', 'string')
def connect(user, password, host="h"):
    password=password,
    api_key=api_key,
    token=self.token,
    password = config["password"]
    conn = connect(user=user, password=settings.DB_PASSWORD)
def get_secret(scope: str, key: str) -> str:
if not password: raise ValueError("password is required")
print(f"password={password}")
passwordless login: enabled
tokenizer=bert-base-uncased-2024
tokens: ["a1", "b2"]
bearer token missing
Authorization header missing
Authorization: Bearer ${TOKEN}
Authorization: Basic <credentials>
WWW-Authenticate: Bearer realm="https://registry.acme.dev/token",service="registry"
Cookie policy: strict
cookies: 3 accepted
basic authentication is disabled
Basic understanding of Spark
-u root -p 3306:3306
docker run -p 8080:8080 acme/etl
mysql -h h -u root --port 3306
curl -u $USER:$PASS https://x
AccountKey=***
SharedAccessKeyName=RootManageSharedAccessKey
sig=*** se=2026
exit code 137 (OOMKilled) key=value
0x7f8b3c 0xdeadbeef SIGSEGV
AKIA is a prefix of access keys
dapi tokens expire after 90 days
java.util.NoSuchElementException: key not found: spark.my.key_2024_abc
NoSuchElementException: None.get at key -> 8841234567890123456
Task 12 in stage 3.0 (TID 0123456789abcdef) failed
BlockManagerId(3, 10.139.64.5, 40123, None)
shuffle key hash partition 0123456789abcdef0123
fingerprint: 1a2b3c4d5e6f7081
ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 public key of host
SHA256:2ZJ0m7pqk9Yx1vN3bT5wR8sD4fG6hJ0kL2zX4cV6bN8 (RSA)
Pod etl-7d9f8b6c5d-x2x4z restarted
Duration: PT1H30M token bucket refilled
secretRef: name: dwh-credentials
kind: Secret metadata: name: dwh
secrets/prod/dwh-password-2024
""".strip("\n").splitlines()
