package keystore

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

const materialSize = 32 // bytes of a backing key, and of the id that names it

// Limits of one keystore. KMS ends on-demand rotation after 25 times; a keystore has no other kind,
// so it goes on for longer.
const (
	maxKeys      = 10_000
	maxAliases   = 10_000
	maxRotations = 1_000
)

// state is what one version of the file says. It does not change once it is published: a change
// works on a clone. So an operation that holds one sees the same keys from its start to its end.
type state struct {
	keys    []*key // in the order of their creation
	aliases map[string]*alias
	guard
	byID     map[string]*key
	material *keymem.Buffer // all backing keys; nil where there are none
	used     int            // backing keys in material
	refs     int            // guarded by Store.mu
}

// key is a KMS key, as the file has it too.
type key struct {
	ID          string    `json:"KeyId"`
	Description string    `json:",omitempty"`
	Created     time.Time `json:"CreationDate"`
	State       string    `json:"KeyState"`
	Deletion    time.Time `json:"DeletionDate,omitzero"` // zero unless the state is PendingDeletion
	Backing     []backing `json:"Material"`              // the last one encrypts; all decrypt
}

// backing names one backing key; its bytes stand at index in state.material.
type backing struct {
	ID      materialID `json:"KeyMaterialId"`
	Created time.Time  `json:"CreationDate"`
	index   int
}

// materialID is random, and never zero. As text it is 64 hex digits.
type materialID [materialSize]byte

func (id materialID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText implements encoding.TextMarshaler.
func (id materialID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *materialID) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(id) {
		return errors.New("key material id is malformed")
	}
	*id = materialID(b)
	return nil
}

// alias is another name of a key, as the file has it too. Target is the key's id.
type alias struct {
	Name    string    `json:"AliasName"`
	Target  string    `json:"TargetKeyId"`
	Created time.Time `json:"CreationDate"`
	Updated time.Time `json:"LastUpdatedDate"`
}

func (k *key) arn() string {
	return localARN("key/" + k.ID)
}

func localARN(resource string) string {
	return kmsclient.ARN{Partition: "aws", Region: kmsclient.LocalRegion,
		Account: kmsclient.LocalAccount, Resource: resource}.String()
}

func (k *key) current() backing { return k.Backing[len(k.Backing)-1] }

func (k *key) currentID() string { return k.current().ID.String() }

func (k *key) metadata() *kmsclient.KeyMetadata {
	about := &kmsclient.KeyMetadata{
		AccountID:            kmsclient.LocalAccount,
		KeyID:                k.ID,
		ARN:                  k.arn(),
		CreationDate:         k.Created,
		Enabled:              k.State == kmsclient.StateEnabled,
		Description:          k.Description,
		KeyUsage:             "ENCRYPT_DECRYPT",
		KeyState:             k.State,
		DeletionDate:         k.Deletion,
		Origin:               "AWS_KMS",
		KeyManager:           "CUSTOMER",
		KeySpec:              kmsclient.Algorithm,
		Algorithms:           []string{kmsclient.Algorithm},
		MultiRegion:          isMultiRegionID(k.ID),
		CurrentKeyMaterialID: k.currentID(),
	}
	// there is but one Region here, so every key is a primary key without replicas
	if about.MultiRegion {
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

// clone copies the state, with room for extra more backing keys and without the keys whose deletion
// is due.
func (st *state) clone(extra int, now time.Time) (*state, error) {
	next := &state{guard: st.guard, aliases: map[string]*alias{}, byID: map[string]*key{}}
	next.Recipients = slices.Clone(st.Recipients)
	if err := next.allocate(st.used + extra); err != nil {
		return nil, err
	}
	for _, k := range st.keys {
		if k.due(now) {
			continue
		}
		copied := *k
		copied.Backing = slices.Clone(k.Backing)
		for i, b := range copied.Backing {
			copied.Backing[i].index = next.used
			next.used++
			copy(next.bytesOf(copied.Backing[i]), st.bytesOf(b))
		}
		next.add(&copied)
	}
	for name, a := range st.aliases {
		if next.byID[a.Target] != nil {
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
	st.byID[k.ID] = k
}

// due tells whether the key's waiting period is over, so that it exists no more.
func (k *key) due(now time.Time) bool {
	return k.State == kmsclient.StatePendingDeletion && !now.Before(k.Deletion)
}

func (st *state) anyDue(now time.Time) bool {
	return slices.ContainsFunc(st.keys, func(k *key) bool { return k.due(now) })
}

// rotate gives k a new random backing key. The state must have been cloned with room for it.
func (st *state) rotate(k *key, now time.Time) {
	b := backing{Created: now, index: st.used}
	st.used++
	rand.Read(b.ID[:])
	rand.Read(st.bytesOf(b))
	k.Backing = append(k.Backing, b)
}

func (st *state) destroy() {
	if st.material != nil {
		st.material.Destroy()
	}
}

// sortedAliases are all aliases, by name.
func (st *state) sortedAliases() []*alias {
	return slices.SortedFunc(maps.Values(st.aliases),
		func(a, b *alias) int { return strings.Compare(a.Name, b.Name) })
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
