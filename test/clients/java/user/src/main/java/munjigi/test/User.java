package munjigi.test;

import com.google.gson.Gson;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.util.Map;

/** What every client here shares: its settings, and a user who signs in and presses Allow. */
public final class User {
  private static final Gson JSON = new Gson();
  private static final Map<?, ?> SETTINGS = JSON.fromJson(System.getenv("CLIENT_SETTINGS"), Map.class);
  private static final BufferedReader ANSWERS = new BufferedReader(new InputStreamReader(System.in));

  private User() {}

  /** Returns a setting that the test gave. */
  public static String setting(String name) {
    return (String) SETTINGS.get(name);
  }

  /** Has the user visit an address. Returns the address where the browser ends. */
  public static URI visit(Object address) throws IOException {
    System.out.println("open " + address);
    return URI.create(ANSWERS.readLine());
  }

  /** Tells the test what the client saw. */
  public static void tell(Object seen) {
    System.out.println("result " + JSON.toJson(seen));
  }
}
