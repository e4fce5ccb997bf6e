package keyring

import (
	"context"
	"errors"
	"fmt"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/format"
)

// infoPair begins the info of every sealed data key (format specification, "Slot type 2"); the
// digest of the file's descriptor follows.
const infoPair = "envseal/v1 pair"

// ErrPair: a public or private key of a data key pair cannot be used: it is malformed, of another
// kind than it is said to be, or not the other's half.
var ErrPair = errors.New("key pair cannot be used")

// PairRecipient seals for the holder of a data key pair's private key, which is KMS. It needs the
// pair file and nothing else: no credentials, no network. It is an envelope.FileRecipient, as what
// it seals is bound to one file. It is safe for concurrent use.
type PairRecipient struct {
	public *publicKey
	slot   format.PairSlot // all but SealedDataKey
}

var _ envelope.FileRecipient = (*PairRecipient)(nil)

// NewPairRecipient takes what a pair file says. Its errors wrap [ErrPair] or name a field outside
// its limits. f may be changed afterwards.
func NewPairRecipient(f *format.PairFile) (*PairRecipient, error) {
	public, err := parsePublicKey(f.PublicKey)
	if err != nil {
		return nil, err
	}
	if public.spec != f.KeyPairSpec {
		return nil, fmt.Errorf("%w: the public key is of %s, not of %q",
			ErrPair, public.spec, f.KeyPairSpec)
	}
	r := &PairRecipient{public: public, slot: format.PairSlot{
		Scheme:                   public.scheme,
		PublicKeyID:              f.PublicKeyID(),
		KeyID:                    f.KeyID,
		PrivateKeyCiphertextBlob: append([]byte{}, f.PrivateKeyCiphertextBlob...),
		PairContext:              f.Context,
	}}
	// The context is kept as the slot that it becomes a part of, so that later changes of f's map
	// count for nothing.
	r.slot.SealedDataKey = []byte{0}
	slot, err := r.slot.Slot()
	if err != nil {
		return nil, err
	}
	r.slot, err = slot.Pair()
	return r, err
}

// BoundToFile marks the slots as belonging to one file each.
func (r *PairRecipient) BoundToFile() {}

// Wrap seals key to the public key, for the file with this digest only. The numbers that RSA and
// HPKE compute with lie on the heap of Go's packages until it is used again; key itself is not
// copied there.
func (r *PairRecipient) Wrap(_ context.Context, key []byte,
	file envelope.FileInfo) (format.Slot, error) {
	if file.Digest == [64]byte{} {
		return format.Slot{}, errors.New("a data key can be sealed to a key pair for one file only")
	}
	slot, err := r.slot, error(nil)
	keymem.Do(func() { slot.SealedDataKey, err = r.public.seal(pairInfo(file.Digest), key) })
	if err != nil {
		return format.Slot{}, fmt.Errorf("seal to the key pair of %s: %w", r.slot.KeyID, err)
	}
	return slot.Slot()
}

// pairInfo binds a sealed data key to its file.
func pairInfo(digest [format.DigestSize]byte) []byte {
	return append([]byte(infoPair), digest[:]...)
}

// openPair opens the data key of a slot with the private key, a DER PKCS #8 PrivateKeyInfo in
// locked memory.
//
// All that can be wrong with slot and private key is envelope.ErrDamaged; where it is the private
// key, [ErrPair] too. The data key comes back in locked memory.
//
// The private key, as Go's packages expand it, is on the heap while this runs, and is wiped there.
// What is left there until the garbage collector's memory is used again, and cannot be reached:
//
//   - of an RSA pair, copies of the private key's numbers that package crypto/rsa makes on the way;
//   - of the other pairs nothing of the private key, but the shared secret of HPKE and the key
//     derived from it. Whoever reads those from the process's memory, and has the file, has the
//     data key of that one file.
func openPair(private []byte, slot *format.PairSlot, info []byte) (envelope.Secret, error) {
	var dataKey *keymem.Buffer
	var err error
	keymem.Do(func() { dataKey, err = openPairNow(private, slot, info) })
	if err != nil {
		return nil, err
	}
	return dataKey, nil
}

func openPairNow(private []byte, slot *format.PairSlot, info []byte) (*keymem.Buffer, error) {
	k, err := parsePrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("pair slot: %w: what KMS decrypted for it: %w", envelope.ErrDamaged, err)
	}
	defer k.wipe()
	id, err := k.publicKeyID()
	if err != nil {
		return nil, err
	}
	if k.public.scheme != slot.Scheme || id != slot.PublicKeyID {
		return nil, fmt.Errorf("pair slot: %w: it names another public key than that of its private key",
			envelope.ErrDamaged)
	}
	plain, err := k.open(info, slot.SealedDataKey)
	defer keymem.Wipe(plain)
	if err != nil || len(plain) == 0 {
		return nil, fmt.Errorf("pair slot: %w: the sealed data key is not of this file, or was altered",
			envelope.ErrDamaged)
	}
	buf, err := keymem.New(len(plain))
	if err != nil {
		return nil, err
	}
	copy(buf.Bytes(), plain)
	return buf, nil
}
