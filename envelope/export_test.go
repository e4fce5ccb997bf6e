package envelope

import (
	"context"
	"io"
)

// SealStream seals any content in a file that says it is a compressed stream, as a hostile holder
// of the key can.
func SealStream(ctx context.Context, dst io.Writer, content io.Reader, key *DataKey,
	opts SealOptions) error {
	opts.Compress = LevelFastest
	h, payload, err := begin(ctx, key, opts)
	if err != nil {
		return err
	}
	defer payload.Destroy()
	raw, err := h.MarshalBinary()
	if err != nil {
		return err
	}
	if _, err := dst.Write(raw); err != nil {
		return err
	}
	return sealFlow(ctx, dst, content, payload, 1)
}
