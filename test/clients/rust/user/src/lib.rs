//! What every client here shares: its settings, and a user who signs in and presses Allow.

use std::collections::HashMap;

/// Settings of a client, from the environment.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: String,
    pub redirect_uri: String,
}

/// Reads the settings that the test gave.
pub fn read() -> Settings {
    serde_json::from_str(&std::env::var("CLIENT_SETTINGS").unwrap()).unwrap()
}

/// Has the user visit an address. Returns the parameters of the address where the browser ended.
pub fn visit(address: &str) -> HashMap<String, String> {
    println!("open {address}");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    url::Url::parse(line.trim()).unwrap().query_pairs().into_owned().collect()
}

/// Tells the test what the client saw.
pub fn tell(seen: serde_json::Value) {
    println!("result {seen}");
}
