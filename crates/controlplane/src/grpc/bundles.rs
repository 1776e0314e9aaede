//! `BundleService`.

use std::sync::Arc;

use countersign_api::v1::bundle_service_server::BundleService;
use countersign_api::{required, v1};
use tonic::{Request, Response, Status};

use super::auth::admin;
use super::status;
use crate::ControlPlane;
use crate::bundles::{BasedOn, BundleError, Fault, Files};

/// The service.
#[derive(Debug)]
pub(super) struct Service(pub(super) Arc<ControlPlane>);

#[tonic::async_trait]
impl BundleService for Service {
    async fn get_bundle(
        &self,
        request: Request<v1::GetBundleRequest>,
    ) -> Result<Response<v1::GetBundleResponse>, Status> {
        admin(&request, "read the bundle")?;
        let current = self.0.bundles().current().ok_or_else(|| {
            Status::not_found("there is no bundle yet; apply one with `countersign apply -f DIR`")
        })?;
        Ok(Response::new(v1::GetBundleResponse {
            version: current.version.to_string(),
            bundle: Some(v1::BundleFiles { files: (*current.files).clone() }),
        }))
    }

    async fn apply_bundle(
        &self,
        request: Request<v1::ApplyBundleRequest>,
    ) -> Result<Response<v1::ApplyBundleResponse>, Status> {
        let caller = admin(&request, "apply bundles")?;
        let v1::ApplyBundleRequest { bundle, if_version } = request.into_inner();
        let files = files(bundle)?;
        let by = &caller.principal.subject;
        let based_on = match if_version {
            None => BasedOn::Any,
            Some(version) if version.is_empty() => BasedOn::None,
            Some(version) => BasedOn::Version(version.as_str().into()),
        };
        let version =
            self.0.apply_bundle_on(&based_on, files, by).await.map_err(|error| status::bundle(&error))?;
        tracing::info!(%version, %by, "bundle applied");
        Ok(Response::new(v1::ApplyBundleResponse { version: version.to_string() }))
    }

    async fn check_bundle(
        &self,
        request: Request<v1::CheckBundleRequest>,
    ) -> Result<Response<v1::CheckBundleResponse>, Status> {
        admin(&request, "check bundles against this control plane")?;
        let files = files(request.into_inner().bundle)?;
        match self.0.bundles().check(files).await {
            Ok(version) => Ok(Response::new(v1::CheckBundleResponse {
                version: Some(version.to_string()),
                faults: Vec::new(),
            })),
            Err(BundleError::Invalid(faults)) => Ok(Response::new(v1::CheckBundleResponse {
                version: None,
                faults: faults.into_iter().map(to_wire).collect(),
            })),
            Err(error) => Err(status::bundle(&error)),
        }
    }
}

fn files(bundle: Option<v1::BundleFiles>) -> Result<Files, Status> {
    Ok(required(bundle, "bundle").map_err(status::bad_field)?.files)
}

fn to_wire(fault: Fault) -> v1::BundleFault {
    v1::BundleFault { file: fault.file, line: fault.line, column: fault.column, reason: fault.reason }
}
