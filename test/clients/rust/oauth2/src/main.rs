//! oauth2 as its documentation and its examples show it. Its argument names the flow.

use oauth2::basic::BasicClient;
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, DeviceAuthorizationUrl, HttpRequest, IntrospectionUrl,
    PkceCodeChallenge, RedirectUrl, RevocationUrl, Scope, StandardDeviceAuthorizationResponse, StandardRevocableToken,
    SyncHttpClient, TokenIntrospectionResponse, TokenResponse, TokenUrl, reqwest,
};
use serde_json::{Value, json};

fn main() {
    let own = user::read();
    let at = |path: &str| format!("{}{path}", own.issuer);
    let http_client = reqwest::blocking::ClientBuilder::new()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let client = BasicClient::new(ClientId::new(own.client_id.clone()))
        .set_client_secret(ClientSecret::new(own.client_secret.clone()))
        .set_auth_uri(AuthUrl::new(at("/oauth/authorize")).unwrap())
        .set_token_uri(TokenUrl::new(at("/oauth/token")).unwrap())
        .set_introspection_url(IntrospectionUrl::new(at("/oauth/introspect")).unwrap())
        .set_revocation_url(RevocationUrl::new(at("/oauth/revoke").replace("http:", "https:")).unwrap())
        .set_device_authorization_url(DeviceAuthorizationUrl::new(at("/oauth/device_authorization")).unwrap())
        .set_redirect_uri(RedirectUrl::new(own.redirect_uri.clone()).unwrap());
    // The crate revokes over https alone and has no switch for loopback, so its HTTP client takes the TLS away, as a proxy does.
    let without_tls = |mut request: HttpRequest| {
        *request.uri_mut() = request.uri().to_string().replace("https:", "http:").parse().unwrap();
        http_client.call(request)
    };
    // The status of the answer, and its body if it is JSON.
    let call = |path: &str, token: &oauth2::AccessToken| {
        let answer = http_client.get(at(path)).bearer_auth(token.secret()).send().unwrap();
        let status = answer.status().as_u16();
        (
            status,
            serde_json::from_str::<Value>(&answer.text().unwrap()).unwrap_or_default(),
        )
    };

    let seen = match std::env::args().nth(1).as_deref() {
        Some("code") => {
            let (pkce_challenge, pkce_verifier) = PkceCodeChallenge::new_random_sha256();
            let (auth_url, csrf_token) = client
                .authorize_url(CsrfToken::new_random)
                .add_scope(Scope::new("profile".into()))
                .set_pkce_challenge(pkce_challenge)
                .url();
            let answer = user::visit(auth_url.as_str());
            assert_eq!(&answer["state"], csrf_token.secret());
            let tokens = client
                .exchange_code(AuthorizationCode::new(answer["code"].clone()))
                .set_pkce_verifier(pkce_verifier)
                .request(&http_client)
                .unwrap();
            let me = call("/api/me", tokens.access_token());
            let renewed = client
                .exchange_refresh_token(tokens.refresh_token().unwrap())
                .request(&http_client)
                .unwrap();
            let active = |token| client.introspect(token).request(&http_client).unwrap();
            let before = active(renewed.access_token());
            let revocable = StandardRevocableToken::from(renewed.refresh_token().unwrap());
            client.revoke_token(revocable).unwrap().request(&without_tls).unwrap();
            let after = active(renewed.access_token());
            json!({
                "me": me.1["id"],
                "scopes": tokens.scopes(),
                "before": [json!(before.active()), json!(before.scopes()), json!(before.sub())],
                "after": after.active(),
                "call": call("/api/me", renewed.access_token()).0,
            })
        }
        Some("client-credentials") => {
            let token = client
                .exchange_client_credentials()
                .add_scope(Scope::new("api".into()))
                .request(&http_client)
                .unwrap();
            let data = call("/api/data", token.access_token());
            json!({ "status": data.0, "clientId": data.1["client_id"] })
        }
        _ => {
            let details: StandardDeviceAuthorizationResponse = client
                .exchange_device_code()
                .add_scope(Scope::new("profile".into()))
                .request(&http_client)
                .unwrap();
            user::visit(details.verification_uri_complete().unwrap().secret());
            let tokens = client
                .exchange_device_access_token(&details)
                .request(&http_client, std::thread::sleep, Some(std::time::Duration::from_secs(20)))
                .unwrap();
            json!({ "me": call("/api/me", tokens.access_token()).1["id"] })
        }
    };
    user::tell(seen);
}
