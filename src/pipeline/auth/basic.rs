//! Basic authentication (RFC 7617): compares the user name and the password of a request with the users of its route.
//! The application does not get `Authorization`, which would be the same password again.

use std::rc::Rc;

use crate::{
    error::{Error, FailureKind},
    pipeline::{
        client_network,
        passwords::{CheckRefused, UserTable},
        request_context::RequestContext,
    },
    rfc::{
        basic_auth::{self, Credentials},
        request_parts::{FieldName, Headers},
    },
};

/// Checks the credentials of a request.
pub(super) async fn check(context: &mut RequestContext, users: &UserTable) -> Result<(), Error> {
    let credentials =
        credentials(&context.parts.headers).ok_or_else(|| Error::new(FailureKind::AuthRequired))?;
    let logins = Rc::clone(&context.local.logins);
    match logins.check(users, &credentials, client_network::of(context)).await {
        Ok(true) => {
            context.is_authorization_used = true;
            Ok(())
        }
        Ok(false) => Err(Error::new(FailureKind::AuthFailed)),
        Err(CheckRefused::TooManyFailures(seconds)) => {
            Err(Error::new(FailureKind::AuthLimited).retry_after(seconds))
        }
        Err(CheckRefused::Busy) => Err(Error::new(FailureKind::AuthBusy)),
    }
}

/// Returns the credentials, if there are some that are valid. Two headers could be understood in two ways.
fn credentials(headers: &Headers) -> Option<Credentials> {
    let mut values = headers.get_all(FieldName::Authorization);
    let credentials = basic_auth::credentials(values.next()?)?;
    values.next().is_none().then_some(credentials)
}
