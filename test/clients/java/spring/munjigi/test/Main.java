package munjigi.test;

import static munjigi.test.User.setting;
import static munjigi.test.User.tell;
import static munjigi.test.User.visit;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.security.access.prepost.PreAuthorize;
import org.springframework.security.config.annotation.method.configuration.EnableMethodSecurity;
import org.springframework.security.core.Authentication;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.core.oidc.user.OidcUser;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** Spring Boot's login and resource server, by the properties that its documentation shows and without security code. */
@SpringBootApplication
@EnableMethodSecurity
@RestController
public class Main {
  private static final String CLIENT = "spring.security.oauth2.client.";
  private static final String API = "spring.security.oauth2.resourceserver.";
  private static final Map<String, Object> SEEN = new HashMap<>();

  @GetMapping("/me")
  String me(@AuthenticationPrincipal OidcUser user) {
    SEEN.put("user", Map.of("sub", user.getSubject(), "email", user.getEmail(), "name", user.getFullName()));
    return user.getEmail();
  }

  @GetMapping("/books")
  @PreAuthorize("hasAuthority('SCOPE_books:read')")
  String books(Authentication caller) {
    return caller.getName();
  }

  @GetMapping("/films")
  @PreAuthorize("hasAuthority('SCOPE_films:read')")
  String films(Authentication caller) {
    return caller.getName();
  }

  public static void main(String[] args) throws Exception {
    var issuer = setting("issuer");
    try (var login =
        start(
            setting("port"),
            CLIENT + "provider.munjigi.issuer-uri=" + issuer,
            CLIENT + "registration.munjigi.client-id=" + setting("clientId"),
            CLIENT + "registration.munjigi.client-secret=" + setting("clientSecret"),
            CLIENT + "registration.munjigi.scope=openid,profile,email")) {
      visit("http://localhost:" + setting("port") + "/me");
    }
    try (var api = start("0", API + "jwt.issuer-uri=" + issuer)) {
      SEEN.put("jwt", List.of(call(api, "/books", "books"), call(api, "/books", "posts"), call(api, "/books", "idToken")));
    }
    try (var api = start("0", API + "jwt.issuer-uri=" + issuer, API + "jwt.audiences=" + setting("audience"))) {
      SEEN.put("audience", List.of(call(api, "/books", "books"), call(api, "/books", "idToken")));
    }
    try (var api =
        start(
            "0",
            API + "opaquetoken.introspection-uri=" + issuer + "/oauth/introspect",
            API + "opaquetoken.client-id=" + setting("apiId"),
            API + "opaquetoken.client-secret=" + setting("apiSecret"))) {
      SEEN.put("opaque", List.of(call(api, "/films", "films"), call(api, "/books", "films"), call(api, "/films", "opaque")));
    }
    tell(SEEN);
  }

  private static ConfigurableApplicationContext start(String port, String... properties) {
    return new SpringApplicationBuilder(Main.class)
        .properties("server.address=127.0.0.1", "server.port=" + port)
        .properties(properties)
        .run();
  }

  /** Returns the status, and the user that the API saw. */
  private static String call(ConfigurableApplicationContext api, String path, String token) throws Exception {
    var address = URI.create("http://127.0.0.1:" + api.getEnvironment().getProperty("local.server.port") + path);
    var request = HttpRequest.newBuilder(address).header("Authorization", "Bearer " + setting(token)).build();
    var response = HttpClient.newHttpClient().send(request, BodyHandlers.ofString());
    return response.statusCode() == 200 ? response.body() : "" + response.statusCode();
  }
}
