package keyring

import (
	"cmp"
	"slices"
	"strings"

	"github.com/envseal/envseal/format"
)

// openable lists the slots of the types and schemes that are known, those of KMS keys before those of pairs: they need no key on the heap.
func openable(h *format.Header) ([]wrapped, error) {
	all, err := wrappedSlots(h)
	if err != nil {
		return nil, err
	}
	known := slices.DeleteFunc(all, func(w wrapped) bool { return w.group == "" })
	slices.SortStableFunc(known, func(a, b wrapped) int { return cmp.Compare(a.slot.Type, b.slot.Type) })
	return known, nil
}

// isAlias tells whether a key reference names an alias, by name or by ARN.
func isAlias(ref string) bool {
	return strings.HasPrefix(ref, "alias/") || strings.Contains(ref, ":alias/")
}
