package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
	"github.com/envseal/envseal/kmsclient/devserver"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/envseal/envseal/kmsclient/kmstest"
)

const (
	home    = "us-east-1"
	replica = "eu-west-1"
	far     = "ap-south-1"
	absent  = "eu-north-1" // where no key has a replica
)

// globe is KMS in three Regions with a multi-Region key and one of the home Region, and a file that
// was sealed there for the first.
type globe struct {
	*testing.T
	*kmstest.Regions
	url    string
	key    kmsclient.ARN // the primary key
	single kmsclient.ARN
	sealed []byte
}

func newGlobe(t *testing.T) *globe {
	store := newStore(t, kmsclient.LocalRegion)
	multi, err := store.CreateKey(t.Context(), kmsclient.CreateKeyInput{MultiRegion: true})
	must(t, err)
	single, err := store.CreateKey(t.Context(), kmsclient.CreateKeyInput{})
	must(t, err)
	must(t, store.CreateAlias(t.Context(), "alias/app", multi.KeyID))
	srv, err := devserver.New(store.Store, devserver.Options{AllowUnsigned: true})
	must(t, err)
	g := &globe{T: t, Regions: kmstest.NewRegions(srv, home, replica, far)}
	server := httptest.NewServer(g.Regions)
	t.Cleanup(server.Close)
	g.url = server.URL
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
		"AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": t.TempDir() + "/none", "AWS_SHARED_CREDENTIALS_FILE": t.TempDir() + "/none"} {
		t.Setenv(name, value)
	}
	for arn, id := range map[*kmsclient.ARN]string{&g.key: multi.ARN, &g.single: single.ARN} {
		parsed, err := kmsclient.ParseARN(id)
		must(t, err)
		*arn = parsed.InRegion(home)
	}
	g.sealed = g.seal(g.key.String())
	return g
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// client is an AWS client, with --region where region is not empty.
func (g *globe) client(region string) *awskms.Client {
	return awskms.New(awskms.Config{EndpointURL: g.url, Region: region, MaxAttempts: 1})
}

func (g *globe) seal(key string) []byte {
	g.Helper()
	k, err := envelope.NewDataKey(g.Context(), format.Context{"app": "web"},
		&keyring.KMSKey{Client: g.client(home), KeyID: key})
	must(g.T, err)
	defer k.Destroy()
	var b bytes.Buffer
	_, err = envelope.Seal(g.Context(), &b, strings.NewReader(plain), k, envelope.SealOptions{})
	must(g.T, err)
	return b.Bytes()
}

// open opens the file with an identity whose client has the given --region, and tells which key did
// it.
func (g *globe) open(sealed []byte, d keyring.Discovery, region string) (used string, err error) {
	g.Helper()
	d.Client = func(kmsclient.ARN) (kmsclient.Client, error) { return g.client(region), nil }
	d.Used = func(arn string) { used = arn }
	var out bytes.Buffer
	_, err = envelope.Open(g.Context(), &out, bytes.NewReader(sealed), envelope.OpenOptions{}, &d)
	if err == nil && out.String() != plain {
		g.Error("something else was sealed")
	}
	return used, err
}

// TestReplica: a slot of a multi-Region key opens with the replica that the user names, by Region
// or by ARN, and by nothing that was not named.
func TestReplica(t *testing.T) {
	g := newGlobe(t)
	in := func(region string) string { return g.key.InRegion(region).String() }
	named := func(refs ...string) (keys []keyring.AllowedKey) {
		for _, ref := range refs {
			keys = append(keys, keyring.AllowedKey{KeyID: ref, Client: g.client(replica)})
		}
		return keys
	}
	foreign := g.key.InRegion(replica)
	foreign.Account = "111122223333"
	for _, c := range []struct {
		name   string
		d      keyring.Discovery
		region string // of the client
		used   string
		is     error
	}{
		{"nothing named", keyring.Discovery{}, "", in(home), nil},
		{"Region", keyring.Discovery{Region: replica}, "", in(replica), nil},
		{"Region, of the client too", keyring.Discovery{Region: replica}, replica, in(replica), nil},
		{"home Region", keyring.Discovery{Region: home}, home, in(home), nil},
		{"Region without a replica", keyring.Discovery{Region: absent}, absent,
			"", kmsclient.ErrNotFound},
		{"key of the slot, another Region", keyring.Discovery{Region: replica, Keys: named(in(home))},
			replica, in(replica), nil},
		{"key id, another Region", keyring.Discovery{Region: replica, Keys: named(g.key.KeyID())},
			replica, in(replica), nil},
		{"ARN of a replica", keyring.Discovery{Keys: named(in(far))}, "", in(far), nil},
		{"ARN of a replica, and its Region", keyring.Discovery{Region: far, Keys: named(in(far))}, far,
			in(far), nil},
		{"ARN of a replica, another Region", keyring.Discovery{Region: replica, Keys: named(in(far))},
			replica, in(replica), nil},
		{"both ARNs", keyring.Discovery{Keys: named(in(far), in(home))}, "", in(home), nil},
		{"ARN without a replica, three times",
			keyring.Discovery{Keys: named(in(absent), in(absent), in(absent), in(far))}, "", in(far), nil},
		{"alias of the replica", keyring.Discovery{Region: replica, Keys: named("alias/app")},
			replica, in(replica), nil},
		{"another key", keyring.Discovery{Region: replica, Keys: named(g.single.String())},
			replica, "", keyring.ErrPolicy},
		{"the same id, another account", keyring.Discovery{Keys: named(foreign.String())},
			"", "", keyring.ErrPolicy},
		{"another account", keyring.Discovery{Region: replica, Accounts: []string{"111122223333"}},
			replica, "", keyring.ErrPolicy},
		{"the account", keyring.Discovery{Region: replica, Accounts: []string{kmsclient.LocalAccount}},
			replica, in(replica), nil},
	} {
		if used, err := g.open(g.sealed, c.d, c.region); !errors.Is(err, c.is) || used != c.used {
			t.Errorf("%s: opened with %q, %v; want %q, %v", c.name, used, err, c.used, c.is)
		}
	}
	_, err := g.open(g.sealed, keyring.Discovery{Region: absent}, absent)
	if err == nil || !strings.Contains(err.Error(), "no replica in "+absent) {
		t.Errorf("where there is no replica: %v", err)
	}
}

// TestReplicaInDisaster: with the home Region down, the replica opens the file, and nobody asks at
// home.
func TestReplicaInDisaster(t *testing.T) {
	g := newGlobe(t)
	g.SetDown(home, true)
	asked := g.Requests(home)
	if _, err := g.open(g.sealed, keyring.Discovery{Region: replica}, replica); err != nil {
		t.Error(err)
	}
	if g.Requests(home) != asked {
		t.Error("the Region that is down was asked")
	}
	if _, err := g.open(g.sealed, keyring.Discovery{}, ""); !errors.Is(err, kmsclient.ErrUnavailable) {
		t.Errorf("without a Region: %v", err)
	}
	keys := []keyring.AllowedKey{{KeyID: g.key.String()}, {KeyID: g.key.InRegion(far).String()}}
	used, err := g.open(g.sealed, keyring.Discovery{Keys: keys}, "")
	if err != nil || used != keys[1].KeyID {
		t.Errorf("with both named: %q, %v", used, err)
	}
}

// TestKeyOfOneRegion has no replica: a Region that is named does not send anybody elsewhere.
func TestKeyOfOneRegion(t *testing.T) {
	g := newGlobe(t)
	sealed := g.seal(g.single.String())
	asked := g.Requests(replica)
	used, err := g.open(sealed, keyring.Discovery{Region: replica}, "")
	if err != nil || used != g.single.String() {
		t.Errorf("opened with %q, %v", used, err)
	}
	elsewhere := []keyring.AllowedKey{{KeyID: g.single.InRegion(replica).String()}}
	_, err = g.open(sealed, keyring.Discovery{Keys: elsewhere}, "")
	if !errors.Is(err, keyring.ErrPolicy) {
		t.Errorf("allowed by the ARN of another Region: %v", err)
	}
	_, err = g.open(sealed, keyring.Discovery{Region: replica}, replica)
	if !errors.Is(err, kmsclient.ErrInvalidRequest) {
		t.Errorf("a contradicting --region: %v", err)
	}
	if g.Requests(replica) != asked {
		t.Error("another Region was asked")
	}
}

// astray answers in the name of the primary key, whichever replica was asked.
type astray struct {
	kmsclient.Client
	primary string
}

func (a astray) Decrypt(ctx context.Context,
	in kmsclient.DecryptInput) (*kmsclient.DecryptOutput, error) {
	out, err := a.Client.Decrypt(ctx, in)
	if err == nil {
		out.KeyID = a.primary
	}
	return out, err
}

// TestReplicaMustAnswer: the key that was asked answers, and no other of the same id.
func TestReplicaMustAnswer(t *testing.T) {
	g := newGlobe(t)
	for name, d := range map[string]keyring.Discovery{
		"by Region": {Region: replica},
		"by ARN":    {Keys: []keyring.AllowedKey{{KeyID: g.key.InRegion(replica).String()}}},
	} {
		d.Client = func(kmsclient.ARN) (kmsclient.Client, error) {
			return astray{g.client(""), g.key.String()}, nil
		}
		_, err := envelope.Open(t.Context(), &bytes.Buffer{}, bytes.NewReader(g.sealed),
			envelope.OpenOptions{}, &d)
		if !errors.Is(err, kmsclient.ErrBadAnswer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRewrapViaReplica: for a key of a third Region, where ReEncrypt does not reach, the replica in
// the user's Region decrypts.
func TestRewrapViaReplica(t *testing.T) {
	g := newGlobe(t)
	g.SetDown(home, true)
	h, err := format.ReadHeader(bytes.NewReader(g.sealed), format.Limits{})
	must(t, err)
	other := newStore(t, "sa-east-1")
	to := other.key(t)
	for _, dry := range []bool{true, false} {
		var events []keyring.SlotEvent
		change := keyring.Rewrap{To: []keyring.Destination{other.to(to)}, Region: replica,
			ViaDecrypt: true, DryRun: dry, Client: func(kmsclient.ARN) (kmsclient.Client, error) {
				return g.client(replica), nil
			}, OnChange: func(e keyring.SlotEvent) { events = append(events, e) }}
		changed, err := envelope.Rewrap(t.Context(), h, &change)
		must(t, err)
		if len(events) != 1 ||
			events[0] != (keyring.SlotEvent{From: g.key.String(), To: to, Decrypted: true}) {
			t.Errorf("dry run %v: %+v", dry, events)
		}
		k, err := changed.Slots[0].KMS()
		if !dry && (err != nil || len(changed.Slots) != 1 || k.KeyID != to) {
			t.Errorf("slots of %+v, %v", k, err)
		}
	}
}
