package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/format"
)

// A pair slot belongs to one file: put into another one that was sealed to the same pair, in the same run, with the same data key, it does not open it.
func TestPairSlotOfAnotherFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("ENVSEAL_KEYSTORE", filepath.Join(dir, "keystore"))
	run, must := program(t, dir)
	write(t, filepath.Join(dir, "a"), randomBytes(100))
	write(t, filepath.Join(dir, "b"), randomBytes(200))
	must("keystore", "init", "--no-passphrase")
	must("keystore", "create-key", "backup")
	must("data-key", "-k", "local:backup", "-o", "made")
	must("key-pair", "-k", "local:backup", "-o", "pair")
	must("encrypt", "--data-key", "made", "-r", "pair", "a", "b")
	pairOnly := func(name string, from []format.Slot) []format.Slot {
		t.Helper()
		name = filepath.Join(dir, name)
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
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
		write(t, name+".pair", slices.Concat(head, b[len(b)-in.Len():]))
		return own
	}
	stolen := pairOnly("a.sealed", nil)
	must("verify", "a.sealed.pair")
	pairOnly("b.sealed", stolen)
	code, stderr := run("decrypt", "-o", "out", "b.sealed.pair")
	if _, err := os.Stat(filepath.Join(dir, "out")); code != 4 || !strings.Contains(stderr, "not of this file") || err == nil {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// A key service that makes no ML-KEM pairs, in whatever words it says so: the error names the spec
// that it most likely makes. A refusal of another kind, and one of another spec, does not.
func TestServiceWithoutMLKEM(t *testing.T) {
	dir := t.TempDir()
	exception := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	run, _ := program(t, dir)
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
		code, stderr := run(args...)
		_, err := os.Stat(filepath.Join(dir, "pair"))
		hinted := strings.Contains(stderr, "--key-pair-spec ECC_NIST_P384")
		if code != test.code || hinted != test.hinted || err == nil {
			t.Errorf("%s %s: exit code %d\n%s", test.exception, test.spec, code, stderr)
		}
	}
}
