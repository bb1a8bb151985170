//! The eSIM servers as an office of the service network.

use super::EsimServices;
use crate::services::ServiceError;
use crate::services::office::{Answer, Caller, Context, Office, Request, Response};

impl Office for EsimServices {
    fn answer(
        &mut self,
        who: &Caller<'_>,
        request: &Request<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Answer, ServiceError> {
        let Request::Http(request) = request else { return Ok(Answer::Now(Response::TurnedAway)) };
        let Context { now, inventory, events, .. } = cx;
        Ok(Self::answer(self, *now, who.at, who.device, request, inventory, events).into())
    }
}
