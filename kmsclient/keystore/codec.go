package keystore

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

const (
	bodyName    = "envseal keystore "
	bodyVersion = 1
)

// The metadata in the file. Unknown fields are refused: writing the file back would lose them.
type fileState struct {
	Recipients []string `json:",omitempty"` // age recipients that the file is encrypted to
	WorkFactor int      `json:",omitempty"` // of scrypt, where a passphrase protects the file
	Keys       []fileKey
	Aliases    []fileAlias
}

type fileKey struct {
	KeyId        string
	Description  string `json:",omitempty"`
	CreationDate time.Time
	KeyState     string
	DeletionDate *time.Time `json:",omitempty"`
	Material     []fileMaterial
}

type fileMaterial struct {
	KeyMaterialId string
	CreationDate  time.Time
}

type fileAlias struct {
	AliasName       string
	TargetKeyId     string
	CreationDate    time.Time
	LastUpdatedDate time.Time
}

// encodeBody lays the state out in locked memory. The caller must destroy it.
func encodeBody(st *state) (*keymem.Buffer, error) {
	meta, err := json.Marshal(st.file())
	if err != nil {
		return nil, err
	}
	head := bodyName + strconv.Itoa(bodyVersion) + "\n"
	buf, err := keymem.New(len(head) + 4 + len(meta) + st.used*materialSize)
	if err != nil {
		return nil, err
	}
	body := buf.Bytes()
	at := copy(body, head)
	binary.BigEndian.PutUint32(body[at:], uint32(len(meta)))
	at += 4
	at += copy(body[at:], meta)
	for _, k := range st.keys {
		for _, b := range k.backing {
			at += copy(body[at:], st.bytesOf(b))
		}
	}
	return buf, nil
}

func (st *state) file() fileState {
	f := fileState{Recipients: st.guard.recipients, WorkFactor: st.guard.workFactor,
		Keys: []fileKey{}, Aliases: []fileAlias{}}
	for _, k := range st.keys {
		fk := fileKey{KeyId: k.id, Description: k.description, CreationDate: k.created, KeyState: k.state}
		if !k.deletion.IsZero() {
			fk.DeletionDate = &k.deletion
		}
		for _, b := range k.backing {
			fk.Material = append(fk.Material,
				fileMaterial{KeyMaterialId: hex.EncodeToString(b.id[:]), CreationDate: b.created})
		}
		f.Keys = append(f.Keys, fk)
	}
	for _, name := range st.aliasNames() {
		a := st.aliases[name]
		f.Aliases = append(f.Aliases, fileAlias{AliasName: name, TargetKeyId: a.target,
			CreationDate: a.created, LastUpdatedDate: a.updated})
	}
	return f
}

// decodeBody parses what encodeBody made and checks all of it. It copies nothing of the backing
// keys but into locked memory of the state's own. Errors wrap ErrDamaged or ErrNewer.
func decodeBody(body []byte) (*state, error) {
	meta, material, err := splitBody(body)
	if err != nil {
		return nil, err
	}
	var f fileState
	d := json.NewDecoder(bytes.NewReader(meta))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("%w: metadata: %v", ErrDamaged, err)
	}
	if len(bytes.TrimSpace(meta[d.InputOffset():])) > 0 {
		return nil, fmt.Errorf("%w: metadata: trailing bytes", ErrDamaged)
	}
	st, err := f.state()
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	if st.used*materialSize != len(material) {
		return nil, fmt.Errorf("%w: %d bytes of key material for %d backing keys",
			ErrDamaged, len(material), st.used)
	}
	if err := st.allocate(st.used); err != nil {
		return nil, err
	}
	if st.material != nil {
		copy(st.material.Bytes(), material)
	}
	return st, nil
}

// splitBody checks the version and finds the metadata and the backing keys.
func splitBody(body []byte) (meta, material []byte, err error) {
	line, _, ok := bytes.Cut(body[:min(len(body), 64)], []byte("\n"))
	version, named := strings.CutPrefix(string(line), bodyName)
	if !ok || !named {
		return nil, nil, fmt.Errorf("%w: it does not start as a keystore", ErrDamaged)
	}
	switch v, err := strconv.ParseUint(version, 10, 31); {
	case err != nil:
		return nil, nil, fmt.Errorf("%w: no version", ErrDamaged)
	case v > bodyVersion:
		return nil, nil, fmt.Errorf("%w: it has version %d, this program reads up to %d",
			ErrNewer, v, bodyVersion)
	case v != bodyVersion || version != strconv.Itoa(bodyVersion):
		return nil, nil, fmt.Errorf("%w: no version %s", ErrDamaged, version)
	}
	rest := body[len(line)+1:]
	if len(rest) < 4 || uint64(binary.BigEndian.Uint32(rest)) > uint64(len(rest)-4) {
		return nil, nil, fmt.Errorf("%w: it is cut short", ErrDamaged)
	}
	n := binary.BigEndian.Uint32(rest)
	return rest[4 : 4+n], rest[4+n:], nil
}

// state builds the state without the backing keys' bytes. It refuses what no keystore would have
// written.
func (f *fileState) state() (*state, error) {
	st := &state{aliases: map[string]*alias{}, byID: map[string]*key{}}
	st.guard = guard{recipients: f.Recipients, workFactor: f.WorkFactor}
	if f.WorkFactor < 0 || f.WorkFactor > maxReadWorkFactor {
		return nil, fmt.Errorf("work factor %d", f.WorkFactor)
	}
	seen := map[[materialSize]byte]bool{}
	for i := range f.Keys {
		k, err := f.Keys[i].key(st, seen)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		st.add(k)
	}
	for _, a := range f.Aliases {
		if checkAliasName(a.AliasName) != nil || st.aliases[a.AliasName] != nil ||
			st.byID[a.TargetKeyId] == nil {
			return nil, errors.New("an alias is malformed, doubled or leads nowhere")
		}
		st.aliases[a.AliasName] = &alias{target: a.TargetKeyId, created: a.CreationDate,
			updated: a.LastUpdatedDate}
	}
	return st, nil
}

func (fk *fileKey) key(st *state, seen map[[materialSize]byte]bool) (*key, error) {
	if _, _, ok := packKeyID(fk.KeyId); !ok || st.byID[fk.KeyId] != nil {
		return nil, errors.New("id is malformed or doubled")
	}
	k := &key{id: fk.KeyId, description: fk.Description, created: fk.CreationDate, state: fk.KeyState}
	switch fk.KeyState {
	case kmsclient.StateEnabled, kmsclient.StateDisabled:
		if fk.DeletionDate != nil {
			return nil, errors.New("deletion date without pending deletion")
		}
	case kmsclient.StatePendingDeletion:
		if fk.DeletionDate == nil || fk.DeletionDate.IsZero() {
			return nil, errors.New("pending deletion without a date")
		}
		k.deletion = *fk.DeletionDate
	default:
		return nil, errors.New("unknown state")
	}
	for _, m := range fk.Material {
		b := backing{created: m.CreationDate, index: st.used}
		id, err := hex.DecodeString(m.KeyMaterialId)
		if err != nil || len(id) != materialSize || seen[[materialSize]byte(id)] {
			return nil, errors.New("key material id is malformed or doubled")
		}
		b.id = [materialSize]byte(id)
		seen[b.id] = true
		k.backing = append(k.backing, b)
		st.used++
	}
	if len(k.backing) == 0 {
		return nil, errors.New("no key material")
	}
	return k, nil
}
