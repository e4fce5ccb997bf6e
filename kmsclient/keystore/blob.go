package keystore

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// Layout of a CiphertextBlob; see the package comment.
const (
	blobMagic    = "ENVK"
	blobVersion  = 1
	saltSize     = 32
	ivSize       = 12
	tagSize      = 16
	headSize     = len(blobMagic) + 2 + 16 + materialSize + saltSize
	blobOverhead = headSize + ivSize + tagSize
	blobKeySize  = 32
	blobKeyInfo  = "envseal keystore blob 1"
)

// blob is a parsed CiphertextBlob. Its slices share the memory of what was parsed.
type blob struct {
	keyID    string
	material materialID
	salt     []byte
	head     []byte // all before the IV: authenticated
	iv       []byte
	sealed   []byte // ciphertext and tag
}

// IsBlob tells whether a CiphertextBlob looks like that of a keystore, this one or another. It does
// not mean that it opens.
func IsBlob(b []byte) bool { return bytes.HasPrefix(b, []byte(blobMagic)) }

func parseBlob(b []byte) (blob, error) {
	if len(b) <= blobOverhead {
		return blob{}, badBlob("it is too short, or not made by a keystore")
	}
	rest, ok := bytes.CutPrefix(b, append([]byte(blobMagic), blobVersion))
	if !ok || rest[0] > kindMultiRegion {
		return blob{}, badBlob("it was not made by a keystore, or by a newer one")
	}
	return blob{
		keyID:    unpackKeyID(rest[0], [16]byte(rest[1:17])),
		material: materialID(rest[17 : 17+materialSize]),
		salt:     rest[17+materialSize : 17+materialSize+saltSize],
		head:     b[:headSize],
		iv:       b[headSize : headSize+ivSize],
		sealed:   b[headSize+ivSize:],
	}, nil
}

func badBlob(reason string) error {
	return refuse(kmsclient.ErrInvalidCiphertext, "The ciphertext cannot be decrypted: %s.", reason)
}

// seal encrypts plaintext under the key's current backing key. It keeps nothing of plaintext.
func (st *state) seal(k *key, plaintext []byte, context map[string]string) ([]byte, error) {
	b := k.current()
	kind, id, _ := packKeyID(k.ID)
	out := make([]byte, 0, blobOverhead+len(plaintext))
	out = append(out, blobMagic...)
	out = append(out, blobVersion, kind)
	out = append(out, id[:]...)
	out = append(out, b.ID[:]...)
	out = out[:headSize+ivSize]
	rand.Read(out[headSize-saltSize:])
	salt, iv := out[headSize-saltSize:headSize], out[headSize:]
	err := withBlobKey(st.bytesOf(b), salt, func(aead *keymem.AEAD) error {
		out = aead.Seal(out, iv, plaintext, additionalData(out[:headSize], context))
		return nil
	})
	return out, err
}

// open decrypts into locked memory. The caller owes the Destroy. Every failure of the blob's is
// InvalidCiphertextException.
func (st *state) open(k *key, b blob, context map[string]string) (*keymem.Buffer, error) {
	i := slices.IndexFunc(k.Backing, func(own backing) bool { return own.ID == b.material })
	if i < 0 {
		return nil, badBlob("it names key material that this key does not have")
	}
	buf, err := keymem.New(len(b.sealed) - tagSize)
	if err != nil {
		return nil, err
	}
	err = withBlobKey(st.bytesOf(k.Backing[i]), b.salt, func(aead *keymem.AEAD) error {
		_, err := aead.Open(buf.Bytes()[:0], b.iv, b.sealed, additionalData(b.head, context))
		if err != nil {
			return badBlob("it is damaged, or its encryption context differs")
		}
		return nil
	})
	if err != nil {
		buf.Destroy()
		return nil, err
	}
	return buf, nil
}

// withBlobKey derives the key of one blob, lends the cipher to use and wipes both.
func withBlobKey(backing, salt []byte, use func(*keymem.AEAD) error) (err error) {
	blobKey, err := keymem.New(blobKeySize)
	if err != nil {
		return err
	}
	defer blobKey.Destroy()
	keymem.Do(func() {
		var kdf *keymem.HKDF
		if kdf, err = keymem.NewHKDF(salt, backing); err != nil {
			return
		}
		defer kdf.Destroy()
		if err = kdf.Expand(blobKey.Bytes(), []byte(blobKeyInfo)); err != nil {
			return
		}
		var aead *keymem.AEAD
		if aead, err = keymem.NewAESGCM(blobKey.Bytes()); err != nil {
			return
		}
		defer aead.Destroy()
		err = use(aead)
	})
	return err
}

// additionalData binds a blob to its head and its encryption context. Every field carries its
// length, so that no two contexts give the same bytes; nil and empty are the same.
func additionalData(head []byte, context map[string]string) []byte {
	out := bytes.Clone(head)
	out = binary.BigEndian.AppendUint32(out, uint32(len(context)))
	for _, name := range slices.Sorted(maps.Keys(context)) {
		for _, field := range []string{name, context[name]} {
			out = binary.BigEndian.AppendUint32(out, uint32(len(field)))
			out = append(out, field...)
		}
	}
	return out
}
