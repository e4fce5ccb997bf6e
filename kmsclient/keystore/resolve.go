package keystore

import (
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/envseal/envseal/kmsclient"
)

const (
	aliasPrefix    = "alias/"
	reservedPrefix = "alias/aws/"
	mrkPrefix      = "mrk-"
	maxAliasName   = 256
)

// The kinds of key id, as blobs store them.
const (
	kindUUID        = 0
	kindMultiRegion = 1
)

// resolve finds a key by id, key ARN, alias name or alias ARN.
func (st *state) resolve(ref string) (*key, error) {
	if err := checkLength("keyId", len(ref), 1, kmsclient.MaxKeyID); err != nil {
		return nil, err
	}
	resource := ref
	if strings.HasPrefix(ref, "arn:") {
		arn, err := parseLocalARN(ref)
		if err != nil {
			return nil, err
		}
		resource = arn.Resource
		if !arn.IsAlias() {
			return st.find(arn.KeyID())
		}
	}
	if strings.HasPrefix(resource, aliasPrefix) {
		a, err := st.findAlias(resource)
		if err != nil {
			return nil, err
		}
		return st.byID[a.Target], nil
	}
	return st.find(resource)
}

// resolveID finds a key by id or key ARN, for the operations that take no alias.
func (st *state) resolveID(ref string) (*key, error) {
	arn, err := kmsclient.ParseARN(ref)
	if strings.HasPrefix(ref, aliasPrefix) || err == nil && arn.IsAlias() {
		return nil, notFound("Invalid keyId %s", ref)
	}
	return st.resolve(ref)
}

func (st *state) find(id string) (*key, error) {
	if k := st.byID[id]; k != nil {
		return k, nil
	}
	if _, _, ok := packKeyID(id); !ok {
		return nil, notFound("Invalid keyId '%s'", id)
	}
	return nil, notFound("Key '%s' does not exist", localARN("key/"+id))
}

func (st *state) findAlias(name string) (*alias, error) {
	if a := st.aliases[name]; a != nil {
		return a, nil
	}
	return nil, notFound("Alias %s is not found.", localARN(name))
}

func parseLocalARN(s string) (kmsclient.ARN, error) {
	arn, err := kmsclient.ParseARN(s)
	if err != nil || arn.Partition != "aws" || arn.Region != kmsclient.LocalRegion ||
		arn.Account != kmsclient.LocalAccount {
		return kmsclient.ARN{}, notFound("Invalid arn %s", s)
	}
	return arn, nil
}

func notFound(format string, args ...any) *kmsclient.Error {
	return refuse(kmsclient.ErrNotFound, format, args...)
}

// checkAliasName refuses what KMS refuses as the name of a new alias.
func checkAliasName(name string) error {
	rest, ok := strings.CutPrefix(name, aliasPrefix)
	switch {
	case !ok || rest == "":
		return refuseAs("InvalidAliasNameException",
			`Alias must start with the prefix "alias/" and a name.`)
	case len(name) > maxAliasName:
		return checkLength("aliasName", len(name), 1, maxAliasName)
	case strings.HasPrefix(name, reservedPrefix):
		return refuseAs("InvalidAliasNameException", "Alias must not start with the reserved prefix %q.",
			reservedPrefix)
	}
	if !aliasPattern.MatchString(name) {
		return invalid("aliasName", "Member must satisfy regular expression pattern: %s", aliasPattern)
	}
	return nil
}

var aliasPattern = regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]+$`)

func isMultiRegionID(id string) bool { return strings.HasPrefix(id, mrkPrefix) }

// packKeyID turns a key id into its kind and 16 bytes. It accepts the canonical spelling only:
// lower case, UUID or mrk-.
func packKeyID(id string) (kind byte, packed [16]byte, ok bool) {
	digits, multi := strings.CutPrefix(id, mrkPrefix)
	if multi {
		kind = kindMultiRegion
	} else {
		digits = strings.ReplaceAll(id, "-", "")
	}
	if len(digits) != 2*len(packed) {
		return 0, packed, false
	}
	if _, err := hex.Decode(packed[:], []byte(digits)); err != nil {
		return 0, packed, false
	}
	return kind, packed, unpackKeyID(kind, packed) == id
}

func unpackKeyID(kind byte, packed [16]byte) string {
	if kind == kindMultiRegion {
		return mrkPrefix + hex.EncodeToString(packed[:])
	}
	return formatUUID(packed)
}
