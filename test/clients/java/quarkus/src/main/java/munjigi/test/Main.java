package munjigi.test;

import static munjigi.test.User.setting;
import static munjigi.test.User.tell;
import static munjigi.test.User.visit;

import io.quarkus.oidc.IdToken;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.QuarkusApplication;
import io.quarkus.runtime.annotations.QuarkusMain;
import io.quarkus.security.Authenticated;
import io.quarkus.security.PermissionsAllowed;
import jakarta.inject.Inject;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.Produces;
import jakarta.ws.rs.core.Context;
import jakarta.ws.rs.core.SecurityContext;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.eclipse.microprofile.jwt.JsonWebToken;

/** Quarkus' web application and two services, each a tenant of quarkus-oidc with the properties that its documentation shows. */
@Path("/")
@QuarkusMain
public class Main {
  private static final Map<String, Object> SEEN = new HashMap<>();

  @Inject @IdToken JsonWebToken idToken;

  @GET
  @Path("/me")
  @Produces("text/html")
  @Authenticated
  public String me() {
    SEEN.put("user", Map.of("sub", idToken.getSubject(), "email", idToken.getClaim("email"), "name", idToken.getClaim("name")));
    return idToken.getClaim("email");
  }

  @GET
  @Path("/books")
  @PermissionsAllowed("books:read")
  public String books(@Context SecurityContext caller) {
    return caller.getUserPrincipal().getName();
  }

  @GET
  @Path("/posts")
  @PermissionsAllowed("posts:read")
  public String posts(@Context SecurityContext caller) {
    return caller.getUserPrincipal().getName();
  }

  @GET
  @Path("/films")
  @PermissionsAllowed("films:read")
  public String films(@Context SecurityContext caller) {
    return caller.getUserPrincipal().getName();
  }

  public static void main(String[] args) {
    for (var name : List.of("port", "issuer", "clientId", "clientSecret", "apiId", "apiSecret", "audience"))
      System.setProperty(name, setting(name));
    Quarkus.run(Visits.class, args);
  }

  /** Runs once the application listens. */
  public static class Visits implements QuarkusApplication {
    @Override
    public int run(String... args) throws Exception {
      visit("http://localhost:" + setting("port") + "/me");
      SEEN.put("jwt", List.of(call("/books", "books"), call("/posts", "posts"), call("/books", "posts"), call("/books", "idToken")));
      SEEN.put("opaque", List.of(call("/films", "films"), call("/films", "opaque")));
      tell(SEEN);
      return 0;
    }

    /** Returns the user that the API saw, or the status. */
    private String call(String path, String token) throws Exception {
      var address = URI.create("http://localhost:" + setting("port") + path);
      var request = HttpRequest.newBuilder(address).header("Authorization", "Bearer " + setting(token)).build();
      var response = HttpClient.newHttpClient().send(request, BodyHandlers.ofString());
      return response.statusCode() == 200 ? response.body() : "" + response.statusCode();
    }
  }
}
