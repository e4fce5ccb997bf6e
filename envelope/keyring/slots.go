package keyring

import (
	"strings"

	"github.com/envseal/envseal/format"
)

// kmsSlots parses the KMS slots of a header and passes over the others.
func kmsSlots(h *format.Header) ([]format.KMSSlot, error) {
	var slots []format.KMSSlot
	for _, s := range h.Slots {
		if s.Type != format.SlotKMS {
			continue
		}
		k, err := s.KMS()
		if err != nil {
			return nil, err
		}
		slots = append(slots, k)
	}
	return slots, nil
}

// isAlias tells whether a key reference names an alias, by name or by ARN.
func isAlias(ref string) bool {
	return strings.HasPrefix(ref, "alias/") || strings.Contains(ref, ":alias/")
}

func join(names []string) string { return strings.Join(names, ", ") }
