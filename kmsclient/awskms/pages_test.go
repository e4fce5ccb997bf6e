package awskms_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
	"github.com/envseal/envseal/kmsclient/devserver"
)

// TestLongAliases: a page of aliases with the longest names that there may be is not taken for an answer that is too long.
func TestLongAliases(t *testing.T) {
	const all = 150
	l := start(t, devserver.Options{})
	k, err := l.store.CreateKey(t.Context(), kmsclient.CreateKeyInput{})
	must(t, err)
	for i := range all {
		must(t, l.store.CreateAlias(t.Context(), fmt.Sprintf("alias/%s%03d", strings.Repeat("n", 247), i), k.KeyID))
	}
	aliases, err := awskms.New(awskms.Config{}).ListAliases(t.Context(), "")
	must(t, err)
	if len(aliases) != all || aliases[0].Name >= aliases[all-1].Name || len(aliases[0].Name) != 256 {
		t.Errorf("%d aliases", len(aliases))
	}
}
