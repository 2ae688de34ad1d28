// go-oidc and x/oauth2 as go-oidc's example shows them: a server on loopback, the callback, the ID token, userinfo.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

type settings struct{ Issuer, ClientId, ClientSecret, RedirectUri string }

type claims struct {
	Subject string `json:"sub"`
	Email   string `json:"email"`
	Name    string `json:"name"`
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// openBrowser has the user visit an address, sign in and press Allow. It returns the code that the client receives.
func openBrowser(address string) string {
	fmt.Println("open", address)
	line := must(bufio.NewReader(os.Stdin).ReadString('\n'))
	answer := must(http.NewRequest("GET", line[:len(line)-1], nil))
	return answer.URL.Query().Get("code")
}

func main() {
	var own settings
	if err := json.Unmarshal([]byte(os.Getenv("CLIENT_SETTINGS")), &own); err != nil {
		panic(err)
	}
	ctx := context.Background()
	provider := must(oidc.NewProvider(ctx, own.Issuer))
	config := oauth2.Config{
		ClientID:     own.ClientId,
		ClientSecret: own.ClientSecret,
		Endpoint:     provider.Endpoint(),
		RedirectURL:  own.RedirectUri,
		Scopes:       []string{oidc.ScopeOpenID, "profile", "email"},
	}
	token := must(config.Exchange(ctx, openBrowser(config.AuthCodeURL("a state"))))
	idToken := must(provider.Verifier(&oidc.Config{ClientID: own.ClientId}).Verify(ctx, token.Extra("id_token").(string)))
	var user claims
	if err := idToken.Claims(&user); err != nil {
		panic(err)
	}
	userinfo := must(provider.UserInfo(ctx, config.TokenSource(ctx, token)))

	// A token of the client's own opens an endpoint by its scope.
	machine := clientcredentials.Config{ClientID: own.ClientId, ClientSecret: own.ClientSecret, TokenURL: provider.Endpoint().TokenURL, Scopes: []string{"api"}}
	data := must(machine.Client(ctx).Get(own.Issuer + "/api/data"))
	_, _ = io.Copy(io.Discard, data.Body)
	result := must(json.Marshal(map[string]any{"user": user, "userinfo": userinfo.Email, "data": data.StatusCode}))
	fmt.Println("result", string(result))
}
