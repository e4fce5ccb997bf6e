package keyring

import (
	"slices"

	"github.com/envseal/envseal/format"
)

// HasExactly tells whether the slots of a file are those that Rewrap makes To these keys: each
// secret in them, the data key and the private keys of pairs, once for each of the keys, and for no
// other. It asks nobody, so that a key named by an alias is never one that the file has: see
// DescribeKey. Slots of types and schemes that this version does not know, which stay as they are,
// do not count. The error is that of a slot that cannot be read.
func HasExactly(h *format.Header, keys []Destination) (bool, error) {
	all, err := wrappedSlots(h)
	if err != nil {
		return false, err
	}
	var done []string
	for _, w := range all {
		if w.group == "" || slices.Contains(done, w.group) {
			continue
		}
		done = append(done, w.group)
		if !areExactly(ofGroup(all, w.group), keys) {
			return false, nil
		}
	}
	return len(done) > 0, nil
}

// areExactly tells the same of the slots of one group.
func areExactly(group []wrapped, keys []Destination) bool {
	for i, w := range group {
		if hasKey(group[:i], w.keyID) ||
			!slices.ContainsFunc(keys, func(d Destination) bool { return d.is(w) }) {
			return false
		}
	}
	for _, d := range keys {
		if !slices.ContainsFunc(group, d.is) {
			return false
		}
	}
	return true
}

// is tells whether w is a slot for d, which is named by its ARN, or by its id in a Region.
func (d Destination) is(w wrapped) bool {
	return w.keyID == d.KeyID || w.arn.KeyID() == d.KeyID && d.KeyID != "" && w.arn.Region == d.Region
}
