//! openidconnect as its documentation shows it: discovery, registration, code with PKCE, ID token, userinfo; then it refreshes.

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientRegistrationRequest, CoreGrantType, CoreProviderMetadata, CoreUserInfoClaims,
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientName, CsrfToken, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    RedirectUrl, Scope, TokenResponse, reqwest,
};
use serde_json::json;

fn main() {
    let own = user::read();
    let http_client = reqwest::blocking::ClientBuilder::new()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let provider_metadata = CoreProviderMetadata::discover(&IssuerUrl::new(own.issuer).unwrap(), &http_client).unwrap();
    let redirect_uri = RedirectUrl::new(own.redirect_uri).unwrap();

    let registered = CoreClientRegistrationRequest::new(vec![redirect_uri.clone()], Default::default())
        .set_client_name(Some([(None, ClientName::new("Rust".into()))].into_iter().collect()))
        .set_grant_types(Some(vec![CoreGrantType::AuthorizationCode, CoreGrantType::RefreshToken]))
        .register(provider_metadata.registration_endpoint().unwrap(), &http_client)
        .unwrap();

    let client = CoreClient::from_provider_metadata(
        provider_metadata,
        registered.client_id().clone(),
        registered.client_secret().cloned(),
    )
    .set_redirect_uri(redirect_uri);
    let (pkce_challenge, pkce_verifier) = PkceCodeChallenge::new_random_sha256();
    let (auth_url, csrf_token, nonce) = client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        )
        .add_scope(Scope::new("profile".into()))
        .add_scope(Scope::new("email".into()))
        .set_pkce_challenge(pkce_challenge)
        .url();
    let answer = user::visit(auth_url.as_str());
    assert_eq!(&answer["state"], csrf_token.secret());

    let tokens = client
        .exchange_code(AuthorizationCode::new(answer["code"].clone()))
        .unwrap()
        .set_pkce_verifier(pkce_verifier)
        .request(&http_client)
        .unwrap();
    let id_token = tokens.id_token().expect("an ID token");
    let verifier = client.id_token_verifier();
    let claims = id_token.claims(&verifier, &nonce).unwrap();
    if let Some(expected) = claims.access_token_hash() {
        let actual = AccessTokenHash::from_token(
            tokens.access_token(),
            id_token.signing_alg().unwrap(),
            id_token.signing_key(&verifier).unwrap(),
        )
        .unwrap();
        assert_eq!(&actual, expected);
    }
    let userinfo: CoreUserInfoClaims = client
        .user_info(tokens.access_token().to_owned(), Some(claims.subject().clone()))
        .unwrap()
        .request(&http_client)
        .unwrap();

    let renewed = client
        .exchange_refresh_token(tokens.refresh_token().expect("a refresh token"))
        .unwrap()
        .request(&http_client)
        .unwrap();
    // OpenID Connect Core 12.2: an ID token that comes with a refresh needs no nonce.
    let of_refresh = renewed
        .id_token()
        .map(|token| token.claims(&verifier, |_: Option<&Nonce>| Ok(())).unwrap().subject());

    user::tell(json!({
        "sub": claims.subject(),
        "email": claims.email(),
        "name": claims.name().and_then(|name| name.get(None)),
        "userinfo": [userinfo.email(), userinfo.name().and_then(|name| name.get(None))],
        "renewed": renewed.access_token().secret() != tokens.access_token().secret(),
        "subOfRefresh": of_refresh,
    }));
}
