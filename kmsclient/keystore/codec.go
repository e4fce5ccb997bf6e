package keystore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

const (
	bodyName    = "envseal keystore "
	bodyVersion = 1
)

// fileState is the metadata in the file. Unknown fields are refused: writing the file back would
// lose them.
type fileState struct {
	guard
	Keys    []key
	Aliases []alias
}

// encodeBody lays the state out in locked memory. The caller owes the Destroy.
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
		for _, b := range k.Backing {
			at += copy(body[at:], st.bytesOf(b))
		}
	}
	return buf, nil
}

func (st *state) file() fileState {
	f := fileState{guard: st.guard, Keys: []key{}, Aliases: []alias{}}
	for _, k := range st.keys {
		f.Keys = append(f.Keys, *k)
	}
	for _, a := range st.sortedAliases() {
		f.Aliases = append(f.Aliases, *a)
	}
	return f
}

// decodeBody parses what encodeBody made and checks all of it. It copies the backing keys into
// locked memory of the state's own, and nothing else of them. Errors wrap ErrDamaged or ErrNewer.
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

// state builds the state, all but the backing keys' bytes, and refuses what no keystore would have
// written.
func (f *fileState) state() (*state, error) {
	st := &state{guard: f.guard, aliases: map[string]*alias{}, byID: map[string]*key{}}
	if f.WorkFactor < 0 || f.WorkFactor > maxReadWorkFactor {
		return nil, fmt.Errorf("work factor %d", f.WorkFactor)
	}
	seen := map[materialID]bool{{}: true}
	for i := range f.Keys {
		k := &f.Keys[i]
		if err := k.check(); err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		if st.byID[k.ID] != nil {
			return nil, fmt.Errorf("key %d: id is doubled", i)
		}
		st.add(k)
		for j := range k.Backing {
			b := &k.Backing[j]
			if seen[b.ID] {
				return nil, fmt.Errorf("key %d: key material id is missing or doubled", i)
			}
			seen[b.ID] = true
			b.index = st.used
			st.used++
		}
	}
	for i := range f.Aliases {
		a := &f.Aliases[i]
		if checkAliasName(a.Name) != nil || st.aliases[a.Name] != nil || st.byID[a.Target] == nil {
			return nil, errors.New("an alias is malformed, doubled or leads nowhere")
		}
		st.aliases[a.Name] = a
	}
	return st, nil
}

// check refuses a key that no keystore would have written.
func (k *key) check() error {
	if _, _, ok := packKeyID(k.ID); !ok {
		return errors.New("id is malformed")
	}
	switch k.State {
	case kmsclient.StateEnabled, kmsclient.StateDisabled:
		if !k.Deletion.IsZero() {
			return errors.New("deletion date without pending deletion")
		}
	case kmsclient.StatePendingDeletion:
		if k.Deletion.IsZero() {
			return errors.New("pending deletion without a date")
		}
	default:
		return errors.New("unknown state")
	}
	if len(k.Backing) == 0 {
		return errors.New("no key material")
	}
	return nil
}
