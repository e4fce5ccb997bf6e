package rewrap

import (
	"context"
	"errors"

	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
)

// updated are the keys of --to as the slots of a file have them, for --update: an alias is
// resolved, once for all files. There are none, which leaves out no file and is said, where the
// caller may not resolve an alias: to make all slots anew takes time, and does no harm.
func updated(
	ctx context.Context, to []keyring.Destination, grantTokens []string,
) ([]keyring.Destination, error) {
	var all []keyring.Destination
	for _, d := range to {
		if !keys.NamesOneKey(d.KeyID) {
			meta, err := d.Client.DescribeKey(ctx, d.KeyID, kmsclient.Options{GrantTokens: grantTokens})
			if errors.Is(err, kmsclient.ErrAccessDenied) {
				ui.Warn("--update leaves out no file: without kms:DescribeKey nobody can tell which key %s is, and a key ARN needs none: %v", ui.Shown(d.KeyID), err)
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			d.KeyID = meta.ARN
		}
		all = append(all, d)
	}
	return all, nil
}

// leaveOut is for a file that --update leaves out, unless there is an error.
func (r *rewrapping) leaveOut(name string, err error) error {
	if err != nil {
		return err
	}
	r.sum.left.Add(1)
	if r.Verbose {
		ui.Note("%s: skipped: it is for exactly these keys", ui.ShownInput(name))
	}
	return nil
}
