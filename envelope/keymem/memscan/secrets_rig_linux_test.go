//go:build secrets

package memscan_test

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/devserver"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/envseal/envseal/kmsclient/keystore"
)

const (
	accessKeyID     = "AKIAIOSFODNN7EXAMPLE"
	secretAccessKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// rig is a keystore, and the same keystore behind TLS as AWS KMS would be.
type rig struct {
	dir   string
	path  string // of the keystore
	store *keystore.Store
	local []string // environment with the keystore
	aws   []string // environment with the server and no keystore
	arn   string   // of the key alias/app
	tls   secretLog
	sent  bodies
	srv   *devserver.Server
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{dir: t.TempDir()}
	r.path = filepath.Join(r.dir, "keystore")
	must(t, keystore.Create(r.path, keystore.CreateOptions{IdentityFile: r.path + ".identity"}))
	var err error
	r.store, err = keystore.Open(r.path, keystore.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, r.store.Close()) })
	for _, alias := range []string{"alias/app", "alias/other"} {
		made, err := r.store.CreateKey(t.Context(), kmsclient.CreateKeyInput{})
		must(t, err)
		must(t, r.store.CreateAlias(t.Context(), alias, made.KeyID))
		if alias == "alias/app" {
			r.arn = made.ARN
		}
	}
	base := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + r.dir + "/none", "AWS_SHARED_CREDENTIALS_FILE=" + r.dir + "/none"}
	r.local = append(slices.Clone(base), "ENVSEAL_KEYSTORE="+r.path)
	server := r.serve(t)
	bundle := filepath.Join(r.dir, "ca.pem")
	must(t, os.WriteFile(bundle,
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o644))
	r.aws = append(slices.Clone(base), "ENVSEAL_KEYSTORE="+r.dir+"/none",
		"AWS_ENDPOINT_URL_KMS="+server.URL, "AWS_CA_BUNDLE="+bundle, "AWS_ACCESS_KEY_ID="+accessKeyID,
		"AWS_SECRET_ACCESS_KEY="+secretAccessKey, "AWS_REGION="+kmsclient.LocalRegion)
	return r
}

func (r *rig) serve(t *testing.T) *httptest.Server {
	t.Helper()
	var err error
	r.srv, err = devserver.New(r.store,
		devserver.Options{AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey})
	must(t, err)
	s := httptest.NewUnstartedServer(r.sent.keep(r.srv))
	s.TLS = &tls.Config{KeyLogWriter: &r.tls}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// do runs the program to its end, which must be good.
func (r *rig) do(t *testing.T, env []string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Dir = env, r.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("envseal %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// secretLog gathers the secrets of TLS connections, in the form of NSS's key log.
type secretLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *secretLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *secretLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// way is one way in which a data key comes into the program.
type way struct {
	name string
	env  []string
	seal []string // the arguments of encrypt that say for whom
	// key makes a data key as encrypt would
	key func(t *testing.T) *envelope.DataKey
}

func (r *rig) ways(t *testing.T) []way {
	t.Helper()
	all := []way{r.byKeystore(), r.byKMS(), r.dataKeyWay(t)}
	for _, spec := range []string{"ECC_NIST_P256", "ML_KEM_768", "RSA_2048"} {
		all = append(all, r.pairWay(t, spec))
	}
	return all
}

func (r *rig) byKeystore() way {
	return way{"keystore", r.local, []string{"-k", "local:app", "-c", "app=web"}, r.generated}
}

func (r *rig) byKMS() way {
	return way{"AWS over TLS", r.aws, []string{"-k", "alias/app", "-c", "app=web"}, r.generated}
}

// generated is a data key of the key alias/app.
func (r *rig) generated(t *testing.T) *envelope.DataKey {
	t.Helper()
	key, err := envelope.NewDataKey(t.Context(), format.Context{"app": "web"},
		&keyring.KMSKey{Client: r.store, KeyID: r.arn})
	must(t, err)
	return key
}

// dataKeyWay is a data key that was made in advance.
func (r *rig) dataKeyWay(t *testing.T) way {
	t.Helper()
	name := filepath.Join(r.dir, "jobs.datakey")
	r.do(t, r.aws, "data-key", "-k", "alias/app", "-c", "job=nightly", "-o", name)
	text, err := os.ReadFile(name)
	must(t, err)
	made, err := format.ParseDataKeyFile(text)
	must(t, err)
	slot, err := made.Keys[0].Slot()
	must(t, err)
	return way{"data-key", r.aws, []string{"--data-key", name}, func(t *testing.T) *envelope.DataKey {
		id := &keyring.Discovery{Client: func(kmsclient.ARN) (kmsclient.Client, error) {
			return r.store, nil
		}}
		key, err := envelope.UnwrapDataKey(t.Context(), made.Context, []format.Slot{slot}, id)
		must(t, err)
		return key
	}}
}

// pairWay is a key pair, whose private key comes over TLS when a file is opened.
func (r *rig) pairWay(t *testing.T, spec string) way {
	t.Helper()
	name := filepath.Join(r.dir, spec+".pair")
	r.do(t, r.aws, "key-pair", "-k", "alias/app", "--key-pair-spec", spec, "-o", name)
	text, err := os.ReadFile(name)
	must(t, err)
	pair, err := format.ParsePairFile(text)
	must(t, err)
	return way{"key pair " + spec, r.aws, []string{"-r", name}, func(t *testing.T) *envelope.DataKey {
		recipient, err := keyring.NewPairRecipient(pair)
		must(t, err)
		key, err := envelope.NewDataKey(t.Context(), format.Context{}, recipient)
		must(t, err)
		return key
	}}
}
