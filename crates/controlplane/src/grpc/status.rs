//! Our errors as gRPC statuses: whose fault, what happened, what to do next, and the code with its page.

use countersign_api::BadField;
use countersign_common::approval::Rejection;
use countersign_common::error::{self as common, Report, code};
use countersign_recording::ArchiveStoreError;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use crate::StopError;
use crate::approvals::ApprovalError;
use crate::audit::{ArchiveError, AuditError};
use crate::bundles::BundleError;
use crate::fleet::authority::AuthorityError;
use crate::fleet::{AdmitError, JoinError, Opening, RegisterError, RevokeError as RevokeGatewayError};
use crate::history::HistoryError;
use crate::sessions::{IssueError, RevokeError, SessionRefused};
use crate::store::StoreError;

/// Where a status carries the code of its error.
const CODE_HEADER: &str = "countersign-code";

/// A status with the code of its error, in the text and, for programs, in the metadata.
pub(super) fn with_code(grpc: Code, code: common::Code, text: &str) -> Status {
    let mut status = Status::new(grpc, format!("{text} ({code})"));
    if let Ok(value) = MetadataValue::try_from(code.to_string()) {
        status.metadata_mut().insert(CODE_HEADER, value);
    }
    status
}

/// A field that is missing or cannot be read.
pub(super) fn bad_field(error: BadField) -> Status {
    Status::invalid_argument(error.to_string())
}

/// A token that is not accepted: unknown, expired and revoked read the same.
pub(super) fn refused(error: &SessionRefused) -> Status {
    with_code(Code::Unauthenticated, error.code(), &error.client_text())
}

/// The store did not do its part.
pub(super) fn store(error: &StoreError) -> Status {
    let grpc = match error {
        // Not the store's fault, and nothing is broken.
        StoreError::Compacted { .. } => Code::FailedPrecondition,
        _ => {
            tracing::error!(%error, cause = ?std::error::Error::source(error), "a call failed on the store");
            Code::Unavailable
        }
    };
    with_code(grpc, error.code(), &error.to_string())
}

/// An approval did not take what was asked.
pub(super) fn approval(error: &ApprovalError) -> Status {
    let grpc = match error {
        ApprovalError::NotFound(_) => Code::NotFound,
        ApprovalError::Rejected(
            Rejection::OwnRequest(_)
            | Rejection::OwnToken(_)
            | Rejection::NotHuman(_)
            | Rejection::NotEligible { .. },
        )
        | ApprovalError::NotYours => Code::PermissionDenied,
        ApprovalError::Rejected(_)
        | ApprovalError::SawSomethingElse
        | ApprovalError::Blocked(_)
        | ApprovalError::SessionEnded(_)
        | ApprovalError::CatalogueWanted
        | ApprovalError::NobodyToAsk
        | ApprovalError::NoBundle => Code::FailedPrecondition,
        ApprovalError::WrongDigest | ApprovalError::NoSuchPlace { .. } | ApprovalError::TooLarge { .. } => {
            Code::InvalidArgument
        }
        ApprovalError::Contended => Code::Aborted,
        ApprovalError::Limited { .. } => Code::ResourceExhausted,
        ApprovalError::Store(error) => return store(error),
    };
    with_code(grpc, error.code(), &error.to_string())
}

/// A token was not issued.
pub(super) fn issue(error: &IssueError) -> Status {
    match error {
        IssueError::Lifetime { .. } => Status::invalid_argument(format!("`ttl`: {error}")),
        IssueError::TooLarge { .. } => Status::invalid_argument(format!("`principal`: {error}")),
        IssueError::ManyNames { .. } | IssueError::LooksLike { .. } | IssueError::ManyIssuers { .. } => {
            Status::invalid_argument(format!("`principal`: {error}"))
        }
        IssueError::Contended => Status::aborted(error.to_string()),
        IssueError::NoRandom | IssueError::NoLease => Status::unavailable(error.to_string()),
        IssueError::Store(error) => store(error),
    }
}

/// Access was not taken back, or not wholly.
pub(super) fn stop(error: &StopError) -> Status {
    match error {
        StopError::Revoke(RevokeError::UnknownSession(_) | RevokeError::UnknownToken(_)) => {
            Status::not_found(error.to_string())
        }
        StopError::Revoke(RevokeError::Contended) => Status::aborted(error.to_string()),
        StopError::Revoke(RevokeError::Store(error)) => store(error),
        StopError::Approvals(cause) => {
            tracing::error!(%cause, "open requests of an ended session could not be closed");
            with_code(Code::Unavailable, code::STORE_FAILED, &error.to_string())
        }
    }
}

/// A bundle was not applied.
pub(super) fn bundle(error: &BundleError) -> Status {
    let grpc = match error {
        BundleError::Invalid(_) | BundleError::TooLarge { .. } => Code::InvalidArgument,
        BundleError::Contended | BundleError::Outdated { .. } => Code::Aborted,
        BundleError::Stored(_) => Code::FailedPrecondition,
        BundleError::Store(error) => return store(error),
    };
    with_code(grpc, error.code(), &error.to_string())
}

/// A recording cannot be shown.
pub(super) fn audit(error: &AuditError) -> Status {
    match error {
        AuditError::Archive(error) => archive(error),
        AuditError::Store(error) => store(error),
        AuditError::History(error) => history(error),
    }
}

/// An archive cannot be read.
pub(super) fn archive(error: &ArchiveError) -> Status {
    match error {
        ArchiveError::NotFound(_) => Status::not_found(error.to_string()),
        ArchiveError::Unreadable(_) => {
            with_code(Code::Unavailable, code::RECORDING_BROKEN, &error.to_string())
        }
        ArchiveError::Unsound(_) => with_code(Code::DataLoss, code::RECORDING_BROKEN, &error.to_string()),
    }
}

/// What was archived cannot be read.
pub(super) fn history(error: &HistoryError) -> Status {
    match error {
        HistoryError::Store(error) => store(error),
        HistoryError::Archive(ArchiveStoreError::Malformed(_)) | HistoryError::Malformed { .. } => {
            with_code(Code::DataLoss, code::RECORDING_BROKEN, &error.to_string())
        }
        HistoryError::Archive(_) => Status::unavailable(error.to_string()),
    }
}

/// A join token was not issued, or not accepted.
pub(super) fn join(error: &JoinError) -> Status {
    match error {
        JoinError::Lifetime => Status::invalid_argument(format!("`ttl`: {error}")),
        JoinError::Refused => with_code(Code::Unauthenticated, code::TOKEN_REFUSED, &error.to_string()),
        JoinError::NoRandom => Status::unavailable(error.to_string()),
        JoinError::Contended => Status::aborted(error.to_string()),
        JoinError::Store(error) => store(error),
    }
}

/// A gateway was not shut out.
pub(super) fn revoke(error: &RevokeGatewayError) -> Status {
    match error {
        RevokeGatewayError::Unknown(_) => Status::not_found(error.to_string()),
        RevokeGatewayError::Several { .. } => Status::failed_precondition(error.to_string()),
        RevokeGatewayError::Contended => Status::aborted(error.to_string()),
        RevokeGatewayError::Store(error) => store(error),
    }
}

/// A gateway got no certificate.
pub(super) fn admit(error: &AdmitError) -> Status {
    tracing::warn!(%error, "a gateway was not certified");
    match error {
        AdmitError::Join(error) => join(error),
        AdmitError::Revoked => with_code(Code::PermissionDenied, code::TOKEN_REFUSED, &error.to_string()),
        AdmitError::Store(error) => store(error),
        AdmitError::Authority(AuthorityError::BadRequest) => Status::invalid_argument(error.to_string()),
        AdmitError::Authority(_) => Status::unavailable("certificates cannot be made at the moment"),
    }
}

/// A link was not opened.
pub(super) fn opening(error: &Opening) -> Status {
    tracing::warn!(%error, "a link was not opened");
    match error {
        Opening::NoHello | Opening::Field(_) | Opening::TooOld { .. } => {
            Status::failed_precondition(error.to_string())
        }
        Opening::Revoked => Status::permission_denied(error.to_string()),
        Opening::Store(error) => store(error),
        Opening::Register(RegisterError::Foreign(_) | RegisterError::OfControlPlane(_)) => {
            Status::permission_denied(error.to_string())
        }
        Opening::Register(RegisterError::Full | RegisterError::Crowded) => {
            with_code(Code::ResourceExhausted, code::LIMIT_REACHED, &error.to_string())
        }
        Opening::Register(RegisterError::Store(error)) => store(error),
        Opening::Register(RegisterError::Contended) | Opening::NoStore | Opening::Ending => {
            Status::unavailable(error.to_string())
        }
        Opening::Broken(status) => status.clone(),
    }
}
