// Package user is what every client here shares: its settings, and a user who signs in and presses Allow.
package user

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
)

// Settings of a client, from the environment.
type Settings struct{ Issuer, ClientId, ClientSecret, RedirectUri string }

// Read the settings that the test gave.
func Read() Settings {
	var own Settings
	Check(json.Unmarshal([]byte(os.Getenv("CLIENT_SETTINGS")), &own))
	return own
}

// Visit has the user visit an address. It returns the parameters that the client's redirect URI receives.
func Visit(address string) url.Values {
	fmt.Println("open", address)
	line := Must(bufio.NewReader(os.Stdin).ReadString('\n'))
	return Must(url.Parse(line[:len(line)-1])).Query()
}

// Tell the test what the client saw.
func Tell(seen map[string]any) {
	fmt.Println("result", string(Must(json.Marshal(seen))))
}

// Must returns the value, unless there is an error.
func Must[T any](value T, err error) T {
	Check(err)
	return value
}

// Check ends the client with an error.
func Check(err error) {
	if err != nil {
		panic(err)
	}
}
