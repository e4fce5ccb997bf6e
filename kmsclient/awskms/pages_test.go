package awskms_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
	"github.com/envseal/envseal/kmsclient/devserver"
)

// TestLongAliases: a page of aliases with the longest names that there may be is not taken for an
// answer that is too long.
func TestLongAliases(t *testing.T) {
	const all = 150
	l := start(t, devserver.Options{})
	k, err := l.store.CreateKey(t.Context(), kmsclient.CreateKeyInput{})
	must(t, err)
	for i := range all {
		must(t, l.store.CreateAlias(t.Context(),
			fmt.Sprintf("alias/%s%03d", strings.Repeat("n", 247), i), k.KeyID))
	}
	aliases, err := awskms.New(awskms.Config{}).ListAliases(t.Context(), "")
	must(t, err)
	if len(aliases) != all || aliases[0].Name >= aliases[all-1].Name || len(aliases[0].Name) != 256 {
		t.Errorf("%d aliases", len(aliases))
	}
}

// TestPagesHaveAttempts: each page of a list has the attempts of a call of its own. A service that
// once did not answer for one page may fail to for another.
func TestPagesHaveAttempts(t *testing.T) {
	clean(t)
	keys(t)
	var f *fake
	f = serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := f.count()
		if n%2 == 1 {
			<-r.Context().Done()
			return
		}
		says(200, fmt.Sprintf(`{"Keys":[{"KeyId":"a","KeyArn":"A"}],"Truncated":%v,"NextMarker":"%d"}`,
			n < 6, n))(w, r)
	})
	list, err := awskms.New(quick(f.URL)).ListKeys(t.Context())
	must(t, err)
	if len(list) != 3 || f.count() != 6 {
		t.Errorf("%d keys in %d attempts", len(list), f.count())
	}
}
