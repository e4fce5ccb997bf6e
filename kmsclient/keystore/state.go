package keystore

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

const materialSize = 32 // bytes of a backing key, and of the id that names it

// Limits of one keystore. KMS allows 25 rotations on demand. A keystore has no other kind, so it
// allows more.
const (
	maxKeys      = 10_000
	maxAliases   = 10_000
	maxRotations = 1_000
)

// state is what one version of the file says. It does not change once it is published: a change
// works on a clone. So an operation that holds one sees the same keys from start to end.
type state struct {
	keys     []*key // in the order of their creation
	aliases  map[string]*alias
	guard    guard
	byID     map[string]*key
	material *keymem.Buffer // all backing keys; nil where there are none
	used     int            // backing keys in material
	refs     int            // guarded by Store.mu
}

type key struct {
	id          string
	description string
	created     time.Time
	state       string
	deletion    time.Time // zero unless the state is PendingDeletion
	backing     []backing // the last one encrypts; all decrypt
}

// backing names one backing key; its bytes stand at index in state.material.
type backing struct {
	id      [materialSize]byte
	created time.Time
	index   int
}

type alias struct {
	target           string
	created, updated time.Time
}

func (k *key) arn() string {
	return localARN("key/" + k.id)
}

func localARN(resource string) string {
	return kmsclient.ARN{Partition: "aws", Region: kmsclient.LocalRegion,
		Account: kmsclient.LocalAccount, Resource: resource}.String()
}

func (k *key) current() backing { return k.backing[len(k.backing)-1] }

func (k *key) currentID() string {
	id := k.current().id
	return hex.EncodeToString(id[:])
}

func (k *key) metadata() *kmsclient.KeyMetadata {
	about := &kmsclient.KeyMetadata{
		AccountID:            kmsclient.LocalAccount,
		KeyID:                k.id,
		ARN:                  k.arn(),
		CreationDate:         k.created,
		Enabled:              k.state == kmsclient.StateEnabled,
		Description:          k.description,
		KeyUsage:             "ENCRYPT_DECRYPT",
		KeyState:             k.state,
		DeletionDate:         k.deletion,
		Origin:               "AWS_KMS",
		KeyManager:           "CUSTOMER",
		KeySpec:              kmsclient.Algorithm,
		Algorithms:           []string{kmsclient.Algorithm},
		MultiRegion:          isMultiRegionID(k.id),
		CurrentKeyMaterialID: k.currentID(),
	}
	if about.MultiRegion { // there is one Region here, so every key is a primary without replicas
		primary := kmsclient.RegionKey{ARN: k.arn(), Region: kmsclient.LocalRegion}
		about.MultiRegionConfiguration =
			&kmsclient.MultiRegionConfiguration{KeyType: kmsclient.PrimaryKey, Primary: primary}
	}
	return about
}

// bytesOf is the backing key itself, in locked memory. The caller must not keep it beyond its hold
// on the state.
func (st *state) bytesOf(b backing) []byte {
	at := b.index * materialSize
	return st.material.Bytes()[at : at+materialSize]
}

// clone copies the state, with room for extra more backing keys, and without keys whose deletion is
// due.
func (st *state) clone(extra int, now time.Time) (*state, error) {
	next := &state{guard: st.guard, aliases: map[string]*alias{}, byID: map[string]*key{}}
	next.guard.recipients = slices.Clone(st.guard.recipients)
	if err := next.allocate(st.used + extra); err != nil {
		return nil, err
	}
	for _, k := range st.keys {
		if k.due(now) {
			continue
		}
		copied := *k
		copied.backing = slices.Clone(k.backing)
		for i, b := range copied.backing {
			copied.backing[i].index = next.used
			next.used++
			copy(next.bytesOf(copied.backing[i]), st.bytesOf(b))
		}
		next.add(&copied)
	}
	for name, a := range st.aliases {
		if next.byID[a.target] != nil {
			copied := *a
			next.aliases[name] = &copied
		}
	}
	return next, nil
}

func (st *state) allocate(backingKeys int) (err error) {
	if backingKeys > 0 {
		st.material, err = keymem.New(backingKeys * materialSize)
	}
	return err
}

func (st *state) add(k *key) {
	st.keys = append(st.keys, k)
	st.byID[k.id] = k
}

// due tells whether the key's waiting period is over: it exists no more.
func (k *key) due(now time.Time) bool {
	return k.state == kmsclient.StatePendingDeletion && !now.Before(k.deletion)
}

func (st *state) anyDue(now time.Time) bool {
	return slices.ContainsFunc(st.keys, func(k *key) bool { return k.due(now) })
}

// rotate gives k a new random backing key. The state must have been cloned with room for it.
func (st *state) rotate(k *key, now time.Time) {
	b := backing{created: now, index: st.used}
	st.used++
	rand.Read(b.id[:])
	rand.Read(st.bytesOf(b))
	k.backing = append(k.backing, b)
}

func (st *state) destroy() {
	if st.material != nil {
		st.material.Destroy()
	}
}

// aliasNames are all names, sorted.
func (st *state) aliasNames() []string {
	return slices.Sorted(maps.Keys(st.aliases))
}

func newKeyID(multiRegion bool) string {
	var b [16]byte
	rand.Read(b[:])
	if multiRegion {
		return "mrk-" + hex.EncodeToString(b[:])
	}
	b[6] = b[6]&0x0f | 0x40 // RFC 9562 version 4
	b[8] = b[8]&0x3f | 0x80
	return formatUUID(b)
}

func formatUUID(b [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
