"""Every setting of Pitstop, in one place, with the variable that sets it.

Prefix `PITSTOP_`, except for names that have an owner already (`DATABASE_URL`, `DATABRICKS_*`, `OPENAI_*`,
`AZURE_OPENAI_*`, `LANGSMITH_*`, `OTEL_*`), which keep theirs; the libraries that own them read them themselves,
and only what Pitstop itself decides on is named here.
"""

from __future__ import annotations

import os
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.errors import ConfigurationError


def default_data_dir() -> Path:
    """`/var/lib/pitstop` for root (a home like `/root` can't be traversed by others), else the user's data folder."""
    return Path("/var/lib/pitstop") if os.geteuid() == 0 else Path(platformdirs.user_data_dir("pitstop"))


#: Addresses to listen on that are none to go to.
EVERY_NETWORK = frozenset({"0.0.0.0", "::", ""})  # noqa: S104


class Settings(BaseSettings):
    """Read from the environment and from `.env` in the working directory; the environment wins."""

    model_config = SettingsConfigDict(
        env_prefix="PITSTOP_", env_file=".env", extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    # Where things live
    data_dir: Path = Field(default_factory=default_data_dir)
    database_url: str | None = Field(
        default=None, validation_alias=AliasChoices("DATABASE_URL", "database_url")
    )
    chroma_url: str | None = None
    policy: Path | None = None
    catalogue_dir: Path | None = None

    # The workspace
    databricks_host: str | None = Field(
        default=None, validation_alias=AliasChoices("DATABRICKS_HOST", "databricks_host")
    )
    databricks_token: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("DATABRICKS_TOKEN", "databricks_token")
    )
    databricks_profile: str | None = Field(
        default=None, validation_alias=AliasChoices("DATABRICKS_CONFIG_PROFILE", "databricks_profile")
    )
    workspace_timeout_seconds: float = Field(default=30.0, gt=0)
    workspace_retry_seconds: float = Field(default=60.0, gt=0)
    #: Only these jobs, as ids with commas between; empty: every job the token can see.
    watch_jobs: Annotated[list[int], NoDecode] = Field(default_factory=list)

    # The service
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: str | None = None
    webhook_user: str = "databricks"
    webhook_password: SecretStr | None = None
    session_secret: SecretStr | None = None
    run_worker: bool = True

    # Who may come in by OIDC or through a proxy: names, or groups, with commas between; * is everybody
    admins: Annotated[list[str], NoDecode] = Field(default_factory=list)
    approvers: Annotated[list[str], NoDecode] = Field(default_factory=list)
    viewers: Annotated[list[str], NoDecode] = Field(default_factory=list)
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_scopes: str = "openid email profile"
    oidc_name_claim: str = "email"
    oidc_groups_claim: str = "groups"
    #: Believe the identity headers that Databricks Apps forwards, from these networks alone.
    forwarded_identity: bool = False
    trusted_proxies: Annotated[list[IPv4Network | IPv6Network], NoDecode] = Field(default_factory=list)
    session_idle_seconds: float = Field(default=2 * 3600.0, gt=0)

    # The worker
    worker_concurrency: int = Field(default=4, ge=1, le=64)
    fetch_concurrency: int = Field(default=8, ge=1, le=64)
    lease_seconds: float = Field(default=30.0, gt=1)
    heartbeat_seconds: float = Field(default=5.0, gt=0)
    stalled_seconds: float = Field(default=30.0, gt=0)
    poll_seconds: float = Field(default=60.0, gt=0)
    poll_lookback_seconds: float = Field(default=24 * 3600.0, gt=0)
    watch_seconds: float = Field(default=15.0, gt=0)
    retention_days: float = Field(default=30.0, gt=0)

    # The model; none is needed
    model: str | None = None
    model_api: Literal["openai", "azure"] = "openai"
    model_base_url: str | None = None
    model_timeout_seconds: float = Field(default=20.0, gt=0)
    model_max_tokens: int = Field(default=700, ge=50, le=4000)
    model_prompt_tokens: int = Field(default=3000, ge=1300, le=100_000)
    #: Who scores the triad: the local scorer alone, or the model too (the lower score counts).
    triad_judge: Literal["local", "model"] = "local"
    model_usd_per_million_input: float = Field(default=0.15, ge=0)
    model_usd_per_million_output: float = Field(default=0.60, ge=0)
    openai_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("OPENAI_API_KEY", "openai_api_key")
    )
    azure_openai_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("AZURE_OPENAI_API_KEY", "azure_openai_api_key")
    )
    openai_api_version: str | None = Field(
        default=None, validation_alias=AliasChoices("OPENAI_API_VERSION", "openai_api_version")
    )

    # Screenshots; without these they are read on this machine
    document_intelligence_endpoint: str | None = None
    document_intelligence_key: SecretStr | None = None

    # The embeddings; without any of these all-MiniLM-L6-v2 from its package
    #: A sentence-transformers model (a folder, or a name it downloads once), or a model's or deployment's name.
    embedding_model: str | None = None
    embedding_api: Literal["local", "openai", "azure"] = "local"
    embedding_base_url: str | None = None
    embedding_timeout_seconds: float = Field(default=20.0, gt=0)

    # E-mail
    smtp_host: str | None = None
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_security: Literal["none", "starttls", "tls"] = "starttls"
    smtp_from: str = "pitstop@localhost"
    # E-mail through Azure Communication Services instead
    acs_endpoint: str | None = None
    acs_key: SecretStr | None = None
    acs_sender: str | None = None

    # Chats and pagers; the names are those that the policy uses, as in `teams:oncall` (`teams` alone: default)
    slack_bot_token: SecretStr | None = None
    slack_signing_secret: SecretStr | None = None
    slack_api_url: str = "https://slack.com/api"
    #: Slack's user ids (or e-mail addresses there) to names of reviewers; without an entry the address is the name.
    slack_users: dict[str, str] = Field(default_factory=dict)
    teams_webhooks: dict[str, SecretStr] = Field(default_factory=dict)
    apprise_urls: dict[str, SecretStr] = Field(default_factory=dict)

    #: The token with which the command line speaks to a running service.
    token: SecretStr | None = None

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("data_dir", "policy", "catalogue_dir")
    @classmethod
    def _expand(cls, value: Path | None) -> Path | None:
        return value.expanduser().resolve() if value is not None else None

    @field_validator("watch_jobs", "admins", "approvers", "viewers", "trusted_proxies", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return [part for part in value.replace(",", " ").split() if part] if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(
            ("postgresql://", "postgres://", "postgresql+psycopg://")
        ):
            raise ValueError(
                "must be a PostgreSQL address, such as postgresql://user:password@host:5432/pitstop"
            )
        return value

    @field_validator(
        "databricks_host",
        "public_url",
        "oidc_issuer",
        "chroma_url",
        "model_base_url",
        "embedding_base_url",
        "document_intelligence_endpoint",
        "slack_api_url",
        "acs_endpoint",
    )
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if "://" not in value:
            value = f"https://{value}"
        if not value.startswith(("https://", "http://")):
            raise ValueError("must be an http or https address")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _whole(self) -> Settings:
        if self.heartbeat_seconds * 2 > self.lease_seconds:
            raise ValueError("PITSTOP_HEARTBEAT_SECONDS must be at most half of PITSTOP_LEASE_SECONDS")
        if self.document_intelligence_endpoint and not self.document_intelligence_key:
            raise ValueError(
                "PITSTOP_DOCUMENT_INTELLIGENCE_KEY must be set with PITSTOP_DOCUMENT_INTELLIGENCE_ENDPOINT"
            )
        if bool(self.slack_bot_token) != bool(self.slack_signing_secret):
            raise ValueError("PITSTOP_SLACK_BOT_TOKEN and PITSTOP_SLACK_SIGNING_SECRET must be set together")
        if self.acs_endpoint and not (self.acs_key and self.acs_sender):
            raise ValueError("PITSTOP_ACS_KEY and PITSTOP_ACS_SENDER must be set with PITSTOP_ACS_ENDPOINT")
        if self.model_api == "azure" and self.model and not self.model_base_url:
            raise ValueError("PITSTOP_MODEL_BASE_URL must be set when PITSTOP_MODEL_API is azure")
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("PITSTOP_OIDC_CLIENT_ID must be set when PITSTOP_OIDC_ISSUER is")
        if self.forwarded_identity and not self.trusted_proxies:
            raise ValueError(
                "PITSTOP_TRUSTED_PROXIES must name the proxy's network when PITSTOP_FORWARDED_IDENTITY is on"
            )
        if self.embedding_api != "local" and not self.embedding_model:
            raise ValueError("PITSTOP_EMBEDDING_MODEL must be set when PITSTOP_EMBEDDING_API is not local")
        if self.embedding_api == "azure" and not self.embedding_base_url:
            raise ValueError("PITSTOP_EMBEDDING_BASE_URL must be set when PITSTOP_EMBEDDING_API is azure")
        return self

    @property
    def address(self) -> str | None:
        """Where people reach the console, without a slash at the end; None where nobody said.

        An address to listen on is one to go to only where it names this machine and not all its networks.
        """
        if self.public_url or self.host in EVERY_NETWORK:
            return self.public_url
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


#: What a person is told who should set it.
NO_ADDRESS = (
    "PITSTOP_PUBLIC_URL is not set, and the address that Pitstop listens on is none that people can open"
)


def load_settings(**overrides: object) -> Settings:
    """Read the settings, with `overrides` (by field name) over the environment.

    Raises:
        ConfigurationError: One line for each wrong setting, naming its variable.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            message = fault["msg"].removeprefix("Value error, ")
            lines.append(f"{_variable(str(fault['loc'][0]))}: {message}" if fault["loc"] else message)
        raise ConfigurationError("\n".join(lines)) from error


def _variable(field: str) -> str:
    """The environment variable of a field, given its name or its alias."""
    return field if field.isupper() else f"PITSTOP_{field.upper()}"


def foreign_environment() -> dict[str, str]:
    """The process's environment without Pitstop's settings and without credentials of a workspace.

    For child processes that are given their settings explicitly.
    """
    ours = ("PITSTOP_", "DATABRICKS_", "DATABASE_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def reach_directly(host: str) -> None:
    """Keep HTTP clients of this process from asking a configured proxy for `host`, one of our own on this machine."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    if host not in known.split(","):
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = f"{known},{host}" if known else host
