//! One order from the account to the certificate (RFC 8555, 7.1).

use std::time::{Duration, SystemTime};

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error, Identifier,
    NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use zeroize::Zeroizing;

use super::{
    challenges::PendingChallenges, failure::AcmeFailure, issued::IssuedCertificate,
    storage::AcmeStorage, transport::Transport,
};
use crate::{
    plan::{AcmeChallenge, AcmeSettings},
    rfc::date,
};

/// How the authority is asked whether it has validated the names, and then whether the certificate is ready.
const POLLING: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));

/// What an order is made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderRequest<'a> {
    pub(super) settings: &'a AcmeSettings,
    pub(super) storage: &'a AcmeStorage,
    pub(super) transport: &'a Transport,
    pub(super) challenges: &'a PendingChallenges,
    /// The challenge to try.
    pub(super) challenge: AcmeChallenge,
    /// The certificate that the new one replaces, if the authority wants to know (RFC 9773, 5).
    pub(super) replaces: Option<&'a CertificateIdentifier<'static>>,
}

/// Removes the challenges however an attempt ends.
struct ClearAtEnd<'a>(&'a PendingChallenges);

// === impl OrderRequest ===

impl OrderRequest<'_> {
    /// Returns the certificate with its chain and its key, as the text of its file.
    pub(super) async fn obtain(self) -> Result<Zeroizing<String>, AcmeFailure> {
        let account = self.account().await?;
        let order = match self.order(&account).await {
            Err(failure) if failure.is("accountDoesNotExist") => {
                tracing::warn!(
                    "the authority does not know the account of acme.storage: creating another"
                );
                self.order(&self.new_account().await?).await?
            }
            result => result?,
        };
        let _clear = ClearAtEnd(self.challenges);
        self.finish(order).await.map_err(|failure| AcmeFailure { is_reached: true, ..failure })
    }

    /// Returns the stored account, or a new one.
    async fn account(&self) -> Result<Account, AcmeFailure> {
        let Some(known) = self.storage.account() else { return self.new_account().await };
        let builder = Account::builder_with_http(Box::new(self.transport.clone()));
        match builder.from_credentials(known).await {
            Err(Error::KeyRejected | Error::Crypto) => {
                tracing::warn!(
                    "the key in account.json of acme.storage is damaged: creating another account"
                );
                self.new_account().await
            }
            result => result.map_err(|error| AcmeFailure::of(&error)),
        }
    }

    async fn new_account(&self) -> Result<Account, AcmeFailure> {
        let contact = self.settings.contact.as_ref().map(|contact| format!("mailto:{contact}"));
        let contact: Vec<_> = contact.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let builder = Account::builder_with_http(Box::new(self.transport.clone()));
        let created = builder.create(&new, self.settings.directory.clone(), None).await;
        let (account, credentials) = created.map_err(|error| AcmeFailure::of(&error))?;
        self.storage.write_account(&credentials).map_err(|error| {
            AcmeFailure::local(
                format!(
                    "cannot store the account in {}: {error}",
                    self.storage.directory().display()
                ),
                "make acme.storage writable",
            )
        })?;
        tracing::info!(account = account.id(), "ACME account created");
        Ok(account)
    }

    async fn order(&self, account: &Account) -> Result<Order, AcmeFailure> {
        let names: Vec<_> =
            self.settings.domains.iter().map(|name| Identifier::Dns(name.clone())).collect();
        if let Some(replaced) = self.replaces {
            let order = NewOrder::new(&names).replaces(replaced.clone());
            match account.new_order(&order).await {
                Ok(order) => return Ok(order),
                Err(error) => {
                    let failure = AcmeFailure::of(&error);
                    // The authority has no such certificate, or another order has replaced it.
                    let is_about_it = failure.is("alreadyReplaced")
                        || failure.is("malformed")
                        || matches!(error, Error::Unsupported(_))
                        || failure.fault.starts_with("replaces field mismatch");
                    if !is_about_it {
                        return Err(failure);
                    }
                }
            }
        }
        account.new_order(&NewOrder::new(&names)).await.map_err(|error| AcmeFailure::of(&error))
    }

    /// Proves control of the names, and gets the certificate.
    async fn finish(&self, mut order: Order) -> Result<Zeroizing<String>, AcmeFailure> {
        self.meet_challenges(&mut order).await?;
        match order.poll_ready(&POLLING).await {
            Ok(OrderStatus::Ready) => {}
            Ok(_) => return Err(invalid(&mut order, None).await),
            Err(error) => return Err(invalid(&mut order, Some(error)).await),
        }
        let (request, key) = request(&self.settings.domains)
            .map_err(|error| AcmeFailure::local(error.to_string(), "internal error"))?;
        order.finalize_csr(&request).await.map_err(|error| AcmeFailure::of(&error))?;
        let chain = order.poll_certificate(&POLLING).await;
        let chain = chain.map_err(|error| AcmeFailure::of(&error))?;
        let text = Zeroizing::new(format!("{}\n{}", chain.trim_end(), *key));
        match fault_of(&text, &self.settings.domains) {
            Some(fault) => Err(AcmeFailure::unusable(fault)),
            None => Ok(text),
        }
    }

    /// Prepares the challenge of each name that the authority has not validated recently, and announces it.
    async fn meet_challenges(&self, order: &mut Order) -> Result<(), AcmeFailure> {
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut next = next.map_err(|error| AcmeFailure::of(&error))?;
            if next.status == AuthorizationStatus::Valid {
                continue;
            }
            let name = next.identifier().to_string();
            let offers = |kind: AcmeChallenge| {
                next.challenges.iter().any(|challenge| challenge.r#type == type_of(kind))
            };
            let others = self.settings.challenges.iter().copied();
            let kind = [self.challenge].into_iter().chain(others).find(|kind| offers(*kind));
            let challenge = kind.and_then(|kind| Some((kind, next.challenge(type_of(kind))?)));
            let Some((kind, mut challenge)) = challenge else {
                let fault =
                    format!("the authority offers neither http-01 nor tls-alpn-01 for {name}");
                let advice = "open port 80 for server.listen or 443 for tls.listen, or use another authority";
                return Err(AcmeFailure::local(fault, advice));
            };
            let authorization = challenge.key_authorization();
            match kind {
                AcmeChallenge::Http => {
                    self.challenges.add_text(&challenge.token, authorization.as_str())
                }
                AcmeChallenge::TlsAlpn => self
                    .challenges
                    .add_certificate(&name, authorization.digest().as_ref())
                    .map_err(|error| AcmeFailure::local(error.to_string(), "internal error"))?,
            }
            challenge.set_ready().await.map_err(|error| AcmeFailure::of(&error))?;
        }
        Ok(())
    }
}

impl Drop for ClearAtEnd<'_> {
    fn drop(&mut self) {
        self.0.clear();
    }
}

fn type_of(challenge: AcmeChallenge) -> ChallengeType {
    match challenge {
        AcmeChallenge::Http => ChallengeType::Http01,
        AcmeChallenge::TlsAlpn => ChallengeType::TlsAlpn01,
    }
}

/// Returns why the names were not validated. The faults stand at the challenges, not at the order.
async fn invalid(order: &mut Order, error: Option<Error>) -> AcmeFailure {
    let mut faults = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut next)) = authorizations.next().await {
        let name = next.identifier().to_string();
        let Ok(state) = next.refresh().await else { break };
        let fault = state.challenges.iter().find_map(|challenge| challenge.error.clone());
        faults.extend(fault.map(|fault| (name, fault)));
    }
    AcmeFailure::of_validations(&faults).unwrap_or_else(|| match error {
        Some(error) => AcmeFailure::of(&error),
        None => AcmeFailure::local("the order is invalid".into(), "wait for the next attempt"),
    })
}

/// Returns why clients could not use a new certificate. Such a one must not replace one that they can use.
fn fault_of(text: &str, domains: &[String]) -> Option<String> {
    let issued = match IssuedCertificate::read(text.as_bytes()) {
        Ok(issued) => issued,
        Err(fault) => return Some(format!("what the authority sent {fault}")),
    };
    let sent = "the authority sent a certificate that";
    if !issued.covers(domains) {
        return Some(format!("{sent} lacks a name of the order"));
    }
    if !issued.is_valid_at(date::seconds(SystemTime::now())) {
        let (start, end) = (date::format(issued.start), date::format(issued.end));
        return Some(format!("{sent} is valid from {start} to {end}, and not now"));
    }
    None
}

/// Makes a new key, and a request for these names with it.
fn request(domains: &[String]) -> Result<(Vec<u8>, Zeroizing<String>), rcgen::Error> {
    let mut params = CertificateParams::new(domains)?;
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let request = params.serialize_request(&key)?;
    Ok((request.der().to_vec(), Zeroizing::new(key.serialize_pem())))
}

#[cfg(test)]
mod tests {
    use rcgen::date_time_ymd;

    use super::*;

    #[test]
    fn certificate_that_clients_cannot_use_has_a_fault() {
        let fault = |names: &[&str], from: i32, to: i32| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let mut params = CertificateParams::new(names).unwrap();
            (params.not_before, params.not_after) =
                (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
            let key = KeyPair::generate().unwrap();
            let text = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
            fault_of(&text, &["a.test".to_owned()]).unwrap_or_default()
        };
        assert_eq!(fault(&["a.test", "b.test"], 2020, 2100), "");
        assert!(fault(&["b.test"], 2020, 2100).contains("lacks a name"));
        assert!(fault(&["a.test"], 2020, 2021).contains("to Fri, 01 Jan 2021"));
        assert!(fault(&["a.test"], 2090, 2100).contains("and not now"));
        assert!(fault_of("", &[]).unwrap().starts_with("what the authority sent"));
    }
}
