package keyring

import (
	"strings"

	"github.com/envseal/envseal/format"
)

// openable lists the slots of the types and schemes that are known, those of KMS keys before those of pairs: they need no key on the heap.
func openable(h *format.Header) ([]wrapped, error) {
	all, err := wrappedSlots(h)
	if err != nil {
		return nil, err
	}
	var slots, pairs []wrapped
	for _, w := range all {
		switch {
		case w.group == "":
		case !w.isPair():
			slots = append(slots, w)
		default:
			pairs = append(pairs, w)
		}
	}
	return append(slots, pairs...), nil
}

// isAlias tells whether a key reference names an alias, by name or by ARN.
func isAlias(ref string) bool {
	return strings.HasPrefix(ref, "alias/") || strings.Contains(ref, ":alias/")
}

func join(names []string) string { return strings.Join(names, ", ") }
