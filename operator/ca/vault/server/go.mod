module mesh-test/vault-server

go 1.25.7

require (
	github.com/hashicorp/go-hclog v1.6.3
	github.com/hashicorp/vault v1.21.4
	github.com/hashicorp/vault-plugin-auth-kubernetes v0.23.1
	github.com/hashicorp/vault/sdk v0.21.0
)

// Vault is built with the sdk of its own source tree, which its module does not bring along, and none that was published is quite the
// same: this is a copy of v0.21.0 with one signature as it was a commit before (../../go-programs.fake.ts).
replace github.com/hashicorp/vault/sdk => ./sdk
