// A Vault for tests: Vault's own core, HTTP handlers, PKI engine and two of its ways to log in, over TLS, with its storage in
// memory. The full program links every cloud's client as well and takes many times as long to build. It begins uninitialized
// and sealed, as Vault does; the tests initialize and unseal it over its API.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"

	log "github.com/hashicorp/go-hclog"
	kubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/logical/pki"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

var engines = map[string]logical.Factory{"pki": pki.Factory}
var logins = map[string]logical.Factory{"approle": approle.Factory, "kubernetes": kubernetes.Factory}

// builtins tells Vault's plugin catalog which types there are; their factories are given to the core itself.
type builtins struct{}

func (builtins) Contains(name string, kind consts.PluginType) bool {
	_, engine := engines[name]
	_, login := logins[name]
	return engine && kind == consts.PluginTypeSecrets || login && kind == consts.PluginTypeCredential
}

func (b builtins) Get(name string, kind consts.PluginType) (func() (interface{}, error), bool) {
	if !b.Contains(name, kind) {
		return nil, false
	}
	factory := engines[name]
	if kind == consts.PluginTypeCredential {
		factory = logins[name]
	}
	return func() (interface{}, error) { return factory, nil }, true
}

func (b builtins) Keys(kind consts.PluginType) []string {
	names := []string{}
	for _, name := range []string{"pki", "approle", "kubernetes"} {
		if b.Contains(name, kind) {
			names = append(names, name)
		}
	}
	return names
}

func (b builtins) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, b.Contains(name, kind)
}

func (builtins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

// Arguments: certificate and key of the listener, PEM files, and its address. The address that came of it is printed.
func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(certificate, key, address string) error {
	logger := log.New(&log.LoggerOptions{Output: os.Stderr, Level: log.Warn})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return err
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		StorageType:        "inmem",
		LogicalBackends:    engines,
		CredentialBackends: logins,
		BuiltinRegistry:    builtins{},
		DisableMlock:       true,
		Logger:             logger,
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("https://" + listener.Addr().String())
	server := &http.Server{
		Handler: vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: &configutil.Listener{}}),
	}
	defer core.Shutdown()
	return server.ServeTLS(listener, certificate, key)
}
