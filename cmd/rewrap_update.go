package cmd

import (
	"errors"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/urfave/cli/v2"
)

// updated are the keys of --to as the slots of a file have them, for --update: an alias is resolved, once for all files. There are none if no file is to be left out, which is
// also so, and said, where the caller may not resolve an alias: to make all slots anew takes time, and does no harm.
func (s *services) updated(c *cli.Context, to []keyring.Destination) ([]keyring.Destination, error) {
	if !c.Bool("update") {
		return nil, nil
	}
	var all []keyring.Destination
	for _, d := range to {
		if arn, err := kmsclient.ParseARN(d.KeyID); !(err == nil && !arn.IsAlias() || isKeyID(d.KeyID)) {
			meta, err := d.Client.DescribeKey(c.Context, d.KeyID, kmsclient.Options{GrantTokens: c.StringSlice("grant-tokens")})
			if errors.Is(err, kmsclient.ErrAccessDenied) {
				warn("--update leaves out no file: without kms:DescribeKey nobody can tell which key %s is, and a key ARN needs none: %v", shown(d.KeyID), err)
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
	if r.c.Bool("verbose") {
		note("%s: skipped: it is for exactly these keys", display(name))
	}
	return nil
}
