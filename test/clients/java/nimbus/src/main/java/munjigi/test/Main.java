package munjigi.test;

import static munjigi.test.User.setting;
import static munjigi.test.User.tell;
import static munjigi.test.User.visit;

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.oauth2.sdk.AuthorizationCodeGrant;
import com.nimbusds.oauth2.sdk.AuthorizationGrant;
import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.RefreshTokenGrant;
import com.nimbusds.oauth2.sdk.ResponseType;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.PrivateKeyJWT;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.device.DeviceAuthorizationRequest;
import com.nimbusds.oauth2.sdk.device.DeviceAuthorizationResponse;
import com.nimbusds.oauth2.sdk.device.DeviceCodeGrant;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.id.State;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import com.nimbusds.oauth2.sdk.token.Tokens;
import com.nimbusds.openid.connect.sdk.AuthenticationRequest;
import com.nimbusds.openid.connect.sdk.AuthenticationResponseParser;
import com.nimbusds.openid.connect.sdk.Nonce;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponseParser;
import com.nimbusds.openid.connect.sdk.UserInfoRequest;
import com.nimbusds.openid.connect.sdk.UserInfoResponse;
import com.nimbusds.openid.connect.sdk.claims.UserInfo;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import com.nimbusds.openid.connect.sdk.validators.IDTokenValidator;
import java.net.URI;
import java.util.HashMap;
import java.util.Map;

/** Nimbus' SDK for OAuth 2.0 and OpenID Connect, as its guides show it. */
public final class Main {
  private static final Map<String, Object> SEEN = new HashMap<>();
  private static OIDCProviderMetadata server;

  public static void main(String[] args) throws Exception {
    server = OIDCProviderMetadata.resolve(new Issuer(setting("issuer")));
    signIn();
    device();
    ownToken();
    tell(SEEN);
  }

  private static void signIn() throws Exception {
    var client = new ClientID(setting("clientId"));
    var authentication = new ClientSecretBasic(client, new Secret(setting("clientSecret")));
    var callback = URI.create(setting("redirectUri"));
    var state = new State();
    var nonce = new Nonce();
    var request =
        new AuthenticationRequest.Builder(ResponseType.CODE, new Scope("openid", "profile", "email"), client, callback)
            .endpointURI(server.getAuthorizationEndpointURI())
            .state(state)
            .nonce(nonce)
            .build();
    var answer = AuthenticationResponseParser.parse(visit(request.toURI())).toSuccessResponse();
    if (!state.equals(answer.getState())) throw new IllegalStateException("the answer has another state");

    var code = new AuthorizationCodeGrant(answer.getAuthorizationCode(), callback);
    var tokens = redeem(new TokenRequest.Builder(server.getTokenEndpointURI(), authentication, code)).toOIDCTokens();
    var validator = new IDTokenValidator(server.getIssuer(), client, JWSAlgorithm.RS256, server.getJWKSetURI().toURL());
    var subject = validator.validate(tokens.getIDToken(), nonce).getSubject().getValue();
    AuthorizationGrant refresh = new RefreshTokenGrant(tokens.getRefreshToken());
    var renewed = redeem(new TokenRequest.Builder(server.getTokenEndpointURI(), authentication, refresh));
    var user = userinfo(renewed.getAccessToken());
    SEEN.put("user", Map.of("sub", subject, "email", user.getEmailAddress(), "name", user.getName()));
    SEEN.put("renewed", !renewed.getAccessToken().equals(tokens.getAccessToken()));
  }

  /** A public client signs the user in by the device flow (RFC 8628). */
  private static void device() throws Exception {
    var client = new ClientID(setting("deviceId"));
    var request =
        new DeviceAuthorizationRequest.Builder(client)
            .endpointURI(server.getDeviceAuthorizationEndpointURI())
            .scope(new Scope("openid", "email"))
            .build();
    var device = DeviceAuthorizationResponse.parse(request.toHTTPRequest().send()).toSuccessResponse();
    visit(device.getVerificationURIComplete());
    var grant = new DeviceCodeGrant(device.getDeviceCode());
    var tokens = redeem(new TokenRequest.Builder(server.getTokenEndpointURI(), client, grant));
    SEEN.put("device", userinfo(tokens.getAccessToken()).getEmailAddress());
  }

  /** A client that signs its assertions (RFC 7523) calls an API for itself. */
  private static void ownToken() throws Exception {
    var client = new ClientID(setting("signerId"));
    var key = ECKey.parse(setting("key")).toECPrivateKey();
    var authentication = new PrivateKeyJWT(client, server.getTokenEndpointURI(), JWSAlgorithm.ES256, key, null, null);
    var grant = new ClientCredentialsGrant();
    var tokens =
        redeem(new TokenRequest.Builder(server.getTokenEndpointURI(), authentication, grant).scope(new Scope("api")));
    var call = new HTTPRequest(HTTPRequest.Method.GET, URI.create(setting("issuer") + "/api/data"));
    call.setAuthorization(tokens.getAccessToken().toAuthorizationHeader());
    SEEN.put("data", call.send().getStatusCode());
  }

  private static Tokens redeem(TokenRequest.Builder request) throws Exception {
    return OIDCTokenResponseParser.parse(request.build().toHTTPRequest().send()).toSuccessResponse().getTokens();
  }

  private static UserInfo userinfo(AccessToken token) throws Exception {
    var request = new UserInfoRequest(server.getUserInfoEndpointURI(), token);
    return UserInfoResponse.parse(request.toHTTPRequest().send()).toSuccessResponse().getUserInfo();
  }
}
