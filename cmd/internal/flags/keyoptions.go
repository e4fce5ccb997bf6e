package flags

import (
	"slices"

	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/urfave/cli/v2"
)

// KeyOptions are what commands take that ask key services about the keys of -k.
type KeyOptions struct {
	// KeyIDs are the keys of -k.
	KeyIDs []string
	// Context has the values of -c.
	Context []string
	// GrantTokens are for grants that are not in force everywhere yet.
	GrantTokens []string
	AWS         AWS
	Store       Store
}

// ReadKeyOptions reads -k, -c, --grant-tokens, AWSFlags and StoreFlags.
func ReadKeyOptions(c *cli.Context) KeyOptions {
	return KeyOptions{
		KeyIDs:      c.StringSlice("key-id"),
		Context:     c.StringSlice("encryption-context"),
		GrantTokens: c.StringSlice("grant-tokens"),
		AWS:         ReadAWS(c),
		Store:       ReadStore(c),
	}
}

// Files are those that no output may replace.
func (o KeyOptions) Files() []file.Needed {
	return slices.Concat(o.AWS.Files(), ContextFiles(o.Context), o.Store.Files())
}
