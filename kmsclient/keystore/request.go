package keystore

import (
	"context"
	"slices"

	"github.com/envseal/envseal/kmsclient"
)

// algorithms are the values of EncryptionAlgorithm that KMS knows; only the first fits a symmetric
// key.
var algorithms = []string{kmsclient.Algorithm, "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"}

// begin is the common start of the operations that use a key: it checks the request and lends the
// state with the enabled key in it. The caller owes the release of the state.
func (s *Store) begin(ctx context.Context, keyID string, o kmsclient.Options,
	ec map[string]string) (*state, *key, error) {
	st, err := s.enter(ctx, o, ec)
	if err != nil {
		return nil, nil, err
	}
	k, err := st.usable(keyID)
	if err != nil {
		s.release(st)
		return nil, nil, err
	}
	return st, k, nil
}

// usable finds a key, named in any form, that is enabled.
func (st *state) usable(keyID string) (*key, error) {
	k, err := st.resolve(keyID)
	if err != nil {
		return nil, err
	}
	return k, k.checkUsable()
}

// enter checks what needs no key and lends the state.
func (s *Store) enter(ctx context.Context, o kmsclient.Options,
	contexts ...map[string]string) (*state, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !kmsclient.IsText(contexts...) {
		return nil, invalid("encryptionContext", "Member must be valid UTF-8")
	}
	if err := checkGrantTokens(o.GrantTokens); err != nil {
		return nil, err
	}
	return s.acquire()
}

// checkGrantTokens refuses every token, since a keystore issues none.
func checkGrantTokens(tokens []string) error {
	switch {
	case len(tokens) > kmsclient.MaxGrantTokens:
		return invalid("grantTokens", "Member must have length less than or equal to %d",
			kmsclient.MaxGrantTokens)
	case slices.Contains(tokens, ""):
		return invalid("grantTokens", "Member must have length greater than or equal to 1")
	case len(tokens) > 0:
		return refuse(kmsclient.ErrInvalidGrantToken,
			"The grant token is invalid: a keystore has no grants.")
	}
	return nil
}

func checkAlgorithm(parameter, algorithm string) error {
	switch {
	case algorithm == "" || algorithm == kmsclient.Algorithm:
		return nil
	case slices.Contains(algorithms, algorithm):
		return refuse(kmsclient.ErrInvalidKeyUsage,
			"Algorithm %s is incompatible with key spec %s.", algorithm, kmsclient.Algorithm)
	}
	return outsideEnum(parameter, algorithms)
}

func (k *key) checkUsable() error {
	if k.State == kmsclient.StateDisabled {
		return refuse(kmsclient.ErrDisabled, "%s is disabled.", k.arn())
	}
	return k.checkNotPending()
}

func (k *key) checkNotPending() error {
	if k.State == kmsclient.StatePendingDeletion {
		return refuse(kmsclient.ErrInvalidState, "%s is pending deletion.", k.arn())
	}
	return nil
}
