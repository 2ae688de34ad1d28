// go-oidc and x/oauth2 as go-oidc's example shows them: a server on loopback, the callback, the ID token, userinfo.
package main

import (
	"context"
	"io"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	. "munjigi.test/clients/user"
)

type claims struct {
	Subject string `json:"sub"`
	Email   string `json:"email"`
	Name    string `json:"name"`
}

func main() {
	own := Read()
	ctx := context.Background()
	provider := Must(oidc.NewProvider(ctx, own.Issuer))
	config := oauth2.Config{
		ClientID:     own.ClientId,
		ClientSecret: own.ClientSecret,
		Endpoint:     provider.Endpoint(),
		RedirectURL:  own.RedirectUri,
		Scopes:       []string{oidc.ScopeOpenID, "profile", "email"},
	}
	token := Must(config.Exchange(ctx, Visit(config.AuthCodeURL("a state")).Get("code")))
	idToken := Must(provider.Verifier(&oidc.Config{ClientID: own.ClientId}).Verify(ctx, token.Extra("id_token").(string)))
	var user claims
	Check(idToken.Claims(&user))
	userinfo := Must(provider.UserInfo(ctx, config.TokenSource(ctx, token)))

	// A token of the client's own opens an endpoint by its scope.
	machine := clientcredentials.Config{ClientID: own.ClientId, ClientSecret: own.ClientSecret, TokenURL: provider.Endpoint().TokenURL, Scopes: []string{"api"}}
	data := Must(machine.Client(ctx).Get(own.Issuer + "/api/data"))
	_, _ = io.Copy(io.Discard, data.Body)
	Tell(map[string]any{"user": user, "userinfo": userinfo.Email, "data": data.StatusCode})
}
