"""All tables."""

from store.base import Base, new_id
from store.door_models import FailedTryModel, IdempotencyModel, ReviewLinkModel
from store.group_models import GroupDecisionModel, GroupModel, MemberModel
from store.incident_models import (
    ApprovalModel,
    ArtifactModel,
    ClaimModel,
    EventModel,
    IncidentModel,
    RunSeenModel,
    RunState,
)
from store.service_models import ROLES, MessageModel, ModelCallModel, PulseModel, SignalModel, TokenModel

__all__ = [
    "ROLES",
    "ApprovalModel",
    "ArtifactModel",
    "Base",
    "ClaimModel",
    "EventModel",
    "FailedTryModel",
    "GroupDecisionModel",
    "GroupModel",
    "IdempotencyModel",
    "IncidentModel",
    "MemberModel",
    "MessageModel",
    "ModelCallModel",
    "PulseModel",
    "ReviewLinkModel",
    "RunSeenModel",
    "RunState",
    "SignalModel",
    "TokenModel",
    "new_id",
]
