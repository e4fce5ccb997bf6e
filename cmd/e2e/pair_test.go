package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/format"
)

// A pair slot belongs to one file: put into another one that was sealed to the same pair, in the
// same run, with the same data key, it does not open it.
func TestPairSlotOfAnotherFile(t *testing.T) {
	r := newRig(t)
	r.write("a", randomBytes(100))
	r.write("b", randomBytes(200))
	r.must("keystore", "init", "--no-passphrase")
	r.must("keystore", "create-key", "backup")
	r.must("data-key", "-k", "local:backup", "-o", "made")
	r.must("key-pair", "-k", "local:backup", "-o", "pair")
	r.must("encrypt", "--data-key", "made", "-r", "pair", "a", "b")
	pairOnly := func(name string, from []format.Slot) []format.Slot {
		t.Helper()
		b := r.read(name)
		in := bytes.NewReader(b)
		h, err := format.ReadHeader(in, format.Limits{})
		if err != nil || len(h.Slots) != 2 || h.Slots[1].Type != format.SlotPair {
			t.Fatalf("%s: %v", name, err)
		}
		own := h.Slots[1:]
		if h.Slots = own; from != nil {
			h.Slots = from
		}
		head, err := h.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		r.write(name+".pair", slices.Concat(head, b[len(b)-in.Len():]))
		return own
	}
	stolen := pairOnly("a.sealed", nil)
	r.must("verify", "a.sealed.pair")
	pairOnly("b.sealed", stolen)
	code, stderr := r.run("decrypt", "-o", "out", "b.sealed.pair")
	_, err := os.Stat(r.path("out"))
	if code != 4 || !strings.Contains(stderr, "not of this file") || err == nil {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// A key service that makes no ML-KEM pairs, in whatever words it says so: the error names the spec
// that it most likely makes. A refusal of another kind, and one of another spec, does not.
func TestServiceWithoutMLKEM(t *testing.T) {
	r := newRig(t)
	exception := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":%q,"message":"not in this Region"}`, exception)
	}))
	defer server.Close()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_KMS": server.URL, "AWS_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1",
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x",
	} {
		t.Setenv(name, value)
	}
	for _, test := range []struct {
		exception, spec string
		code            int
		hinted          bool
	}{
		{"UnsupportedOperationException", "", 2, true},
		{"ValidationException", "", 2, true},
		{"ValidationException", "ML_KEM_1024", 2, true},
		{"ValidationException", "RSA_2048", 2, false},
		{"AccessDeniedException", "", 5, false},
	} {
		exception = test.exception
		args := []string{"key-pair", "-k", "alias/backup", "-o", "pair"}
		if test.spec != "" {
			args = append(args, "--key-pair-spec", test.spec)
		}
		code, stderr := r.run(args...)
		_, err := os.Stat(r.path("pair"))
		hinted := strings.Contains(stderr, "--key-pair-spec ECC_NIST_P384")
		if code != test.code || hinted != test.hinted || err == nil {
			t.Errorf("%s %s: exit code %d\n%s", test.exception, test.spec, code, stderr)
		}
	}
}
