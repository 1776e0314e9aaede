//! `IdentityService`.

use countersign_api::v1::identity_service_server::IdentityService;
use countersign_api::{timestamp_to_wire, v1};
use tonic::{Request, Response, Status};

use super::auth::caller;

/// The service. What it says was found out when the call was authenticated.
#[derive(Debug)]
pub(super) struct Service;

#[tonic::async_trait]
impl IdentityService for Service {
    async fn get_caller(
        &self,
        request: Request<v1::GetCallerRequest>,
    ) -> Result<Response<v1::GetCallerResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(v1::GetCallerResponse {
            principal: Some((&*caller.principal).into()),
            expire_time: Some(timestamp_to_wire(caller.expires_at)),
        }))
    }
}
