package keystore

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"filippo.io/age"

	"github.com/envseal/envseal/envelope/keymem"
)

// Work factors of scrypt: 2^n rounds over 2^(n+10) bytes of memory.
const (
	defaultWorkFactor = 17
	minWorkFactor     = 16
	maxWorkFactor     = 18
	maxReadWorkFactor = 20 // 1 GiB; what other tools may have written
)

const (
	ageIntro      = "age-encryption.org/v1\n"
	scryptIntro   = ageIntro + "-> scrypt "
	clearIntro    = "envseal keystore in clear text: not protected\n"
	maxIdentities = 64 << 10 // bytes of an identity file
)

// guard is how the file is protected: to age recipients, by a passphrase, or not at all. It is part
// of the state, and of the file.
type guard struct {
	Recipients []string `json:",omitempty"`
	WorkFactor int      `json:",omitempty"` // of scrypt, where a passphrase protects the file
}

func (g guard) isClear() bool { return g.WorkFactor == 0 && len(g.Recipients) == 0 }

// opener opens and seals the file of one Store.
type opener struct {
	identity   string // path of the identity file; may be empty
	passphrase *keymem.Buffer
}

// open decrypts and parses the file.
func (o *opener) open(raw []byte) (*state, error) {
	if clear, ok := bytes.CutPrefix(raw, []byte(clearIntro)); ok {
		body, ok := cutSum(clear)
		if !ok {
			return nil, fmt.Errorf("%w: check sum differs", ErrDamaged)
		}
		return decodeBody(body)
	}
	if !bytes.HasPrefix(raw, []byte(ageIntro)) {
		return nil, ErrNotKeystore
	}
	header, err := age.ExtractHeader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	fileKey, err := o.fileKey(raw, header)
	if err != nil {
		return nil, err
	}
	defer keymem.Wipe(fileKey)
	body, err := openPayload(fileKey, raw[len(header):])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	defer body.Destroy()
	return decodeBody(body.Bytes())
}

func (o *opener) fileKey(raw, header []byte) ([]byte, error) {
	identities, wrong := o.fileIdentities, ErrWrongIdentity
	if needsPassphrase(raw) {
		identities, wrong = o.scryptIdentity, ErrWrongPassphrase
	}
	ids, err := identities()
	if err != nil {
		return nil, err
	}
	fileKey, err := unwrap(header, ids)
	var noMatch *age.NoIdentityMatchError
	switch {
	case errors.As(err, &noMatch):
		return nil, wrong
	case err != nil:
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	return fileKey, nil
}

// unwrap opens the header and wipes the identities.
func unwrap(header []byte, ids []age.Identity) (fileKey []byte, err error) {
	defer wipeIdentities(ids)
	return age.DecryptHeader(header, ids...)
}

func wipeIdentities(ids []age.Identity) {
	for _, id := range ids {
		for _, path := range identitySecrets(id) {
			keymem.WipeField(id, path...)
		}
	}
}

// identitySecrets are the fields to wipe of each kind of identity that this package makes or
// age.ParseIdentities returns.
func identitySecrets(id age.Identity) [][]string {
	switch id.(type) {
	case *age.ScryptIdentity:
		return [][]string{{"password"}}
	case *age.X25519Identity:
		return [][]string{{"secretKey"}}
	case *age.HybridIdentity: // ML-KEM-768 beside X25519, of package crypto/hpke
		return [][]string{{"k", "seed"}, {"k", "pq", "key"}, {"k", "t", "privateKey"}}
	}
	return nil
}

func needsPassphrase(raw []byte) bool { return bytes.HasPrefix(raw, []byte(scryptIntro)) }

func (o *opener) scryptIdentity() ([]age.Identity, error) {
	if o.passphrase == nil {
		return nil, ErrNeedPassphrase
	}
	id, err := age.NewScryptIdentity(borrowed(o.passphrase.Bytes()))
	if err != nil {
		return nil, err
	}
	id.SetMaxWorkFactor(maxReadWorkFactor)
	return []age.Identity{id}, nil
}

// borrowed lends b as a string for the length of a call, so that no string copy of a secret is
// made.
func borrowed(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// fileIdentities reads the identity file anew each time, so that the identity is not kept in memory
// between.
func (o *opener) fileIdentities() ([]age.Identity, error) {
	if o.identity == "" {
		return nil, ErrNeedIdentity
	}
	f, err := os.Open(o.identity)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNeedIdentity, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxIdentities {
		return nil, fmt.Errorf("%s: %w: not an identity file", o.identity, ErrNeedIdentity)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: %w (its mode is %04o)", o.identity, ErrExposed, info.Mode().Perm())
	}
	ids, err := age.ParseIdentities(io.LimitReader(f, maxIdentities))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %v", o.identity, ErrWrongIdentity, err)
	}
	return ids, nil
}

// seal encodes and encrypts the state as its guard says. passphrase may be nil where the guard
// needs none.
func seal(st *state, passphrase []byte) ([]byte, error) {
	body, err := encodeBody(st)
	if err != nil {
		return nil, err
	}
	defer body.Destroy()
	if st.isClear() {
		return addSum(body.Bytes()), nil
	}
	wraps, err := st.recipientsFor(passphrase)
	if err != nil {
		return nil, err
	}
	defer keymem.WipeField(wraps[0], "password") // no such field but in scrypt's
	var head bytes.Buffer
	grab := &grabbing{Recipient: wraps[0]}
	wraps[0] = grab
	if _, err := age.Encrypt(&head, wraps...); err != nil {
		return nil, err
	}
	defer keymem.Wipe(grab.fileKey)
	head.Truncate(head.Len() - payloadNonce) // the payload gets a nonce of its own
	payload, err := sealPayload(grab.fileKey, body.Bytes())
	if err != nil {
		return nil, err
	}
	return append(head.Bytes(), payload...), nil
}

func (g guard) recipientsFor(passphrase []byte) ([]age.Recipient, error) {
	if g.WorkFactor == 0 {
		return parseRecipients(g.Recipients)
	}
	if len(passphrase) == 0 {
		return nil, ErrNeedPassphrase
	}
	r, err := age.NewScryptRecipient(borrowed(passphrase))
	if err != nil {
		return nil, err
	}
	r.SetWorkFactor(g.WorkFactor)
	return []age.Recipient{r}, nil
}

func parseRecipients(recipients []string) ([]age.Recipient, error) {
	return age.ParseRecipients(strings.NewReader(strings.Join(recipients, "\n")))
}

// grabbing notes the file key that age made for this file.
type grabbing struct {
	age.Recipient
	fileKey []byte
}

// WrapWithLabels passes on the labels by which age keeps incompatible recipients apart.
func (g *grabbing) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	g.fileKey = bytes.Clone(fileKey)
	if r, ok := g.Recipient.(age.RecipientWithLabels); ok {
		return r.WrapWithLabels(fileKey)
	}
	stanzas, err := g.Recipient.Wrap(fileKey)
	return stanzas, nil, err
}

// addSum makes a clear-text file. Its keys lie open on the disk, so nothing is gained by keeping
// them off the heap here.
func addSum(body []byte) []byte {
	sum := sha256.Sum256(body)
	out := append([]byte(clearIntro), body...)
	return append(out, sum[:]...)
}

func cutSum(b []byte) (body []byte, ok bool) {
	at := len(b) - sha256.Size
	if at < 0 {
		return nil, false
	}
	return b[:at], sha256.Sum256(b[:at]) == [sha256.Size]byte(b[at:])
}
