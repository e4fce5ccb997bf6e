package awskms

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/envseal/envseal/kmsclient"
)

// CreateKey implements kmsclient.Admin. It is not repeated if the first attempt may have arrived:
// that would make two keys.
func (c *Client) CreateKey(ctx context.Context,
	in kmsclient.CreateKeyInput) (*kmsclient.KeyMetadata, error) {
	cl, err := c.begin(ctx, "CreateKey", "")
	if err != nil {
		return nil, err
	}
	cl.once = true
	ask := &kms.CreateKeyInput{Description: orNil(in.Description),
		KeySpec: types.KeySpecSymmetricDefault, KeyUsage: types.KeyUsageTypeEncryptDecrypt}
	if in.MultiRegion {
		ask.MultiRegion = aws.Bool(true)
	}
	out, _, err := run(ctx, cl, (*kms.Client).CreateKey, ask)
	if err != nil {
		return nil, err
	}
	return cl.metadata(out.KeyMetadata)
}

// CreateAlias implements kmsclient.Admin.
func (c *Client) CreateAlias(ctx context.Context, name, targetKeyID string) error {
	cl, err := c.beginWithKey(ctx, "CreateAlias", targetKeyID)
	if err != nil {
		return err
	}
	_, _, err = run(ctx, cl, (*kms.Client).CreateAlias,
		&kms.CreateAliasInput{AliasName: &name, TargetKeyId: &cl.keyID})
	return err
}

// UpdateAlias implements kmsclient.Admin.
func (c *Client) UpdateAlias(ctx context.Context, name, targetKeyID string) error {
	cl, err := c.beginWithKey(ctx, "UpdateAlias", targetKeyID)
	if err != nil {
		return err
	}
	_, _, err = run(ctx, cl, (*kms.Client).UpdateAlias,
		&kms.UpdateAliasInput{AliasName: &name, TargetKeyId: &cl.keyID})
	return err
}

// DeleteAlias implements kmsclient.Admin.
func (c *Client) DeleteAlias(ctx context.Context, name string) error {
	cl, err := c.beginWithKey(ctx, "DeleteAlias", name)
	if err != nil {
		return err
	}
	_, _, err = run(ctx, cl, (*kms.Client).DeleteAlias, &kms.DeleteAliasInput{AliasName: &cl.keyID})
	return err
}

// How many rows a page of a list has, so that it fits into maxAnswer with any names. An alias has
// up to 256 bytes and stands in its row twice: 100 such rows have 70 KB.
const (
	keyPage   = 100
	aliasPage = 50
)

// nextPage gives the marker of the next page, or nil after the last.
func (cl *call) nextPage(truncated bool, next, current *string) (*string, error) {
	if !truncated {
		return nil, nil
	}
	if aws.ToString(next) == "" || current != nil && *next == *current {
		return nil, cl.bad("there is said to be another page, and no way to it")
	}
	return next, nil
}

// ListKeys implements kmsclient.Admin.
func (c *Client) ListKeys(ctx context.Context) ([]kmsclient.KeyEntry, error) {
	cl, err := c.begin(ctx, "ListKeys", "")
	if err != nil {
		return nil, err
	}
	var keys []kmsclient.KeyEntry
	for marker := (*string)(nil); ; {
		out, _, err := run(ctx, cl, (*kms.Client).ListKeys,
			&kms.ListKeysInput{Limit: aws.Int32(keyPage), Marker: marker})
		if err != nil {
			return nil, err
		}
		for _, k := range out.Keys {
			keys = append(keys, kmsclient.KeyEntry{KeyID: aws.ToString(k.KeyId),
				ARN: aws.ToString(k.KeyArn)})
		}
		if marker, err = cl.nextPage(out.Truncated, out.NextMarker, marker); marker == nil {
			return keys, err
		}
	}
}

// ListAliases implements kmsclient.Admin.
func (c *Client) ListAliases(ctx context.Context, keyID string) ([]kmsclient.AliasEntry, error) {
	cl, err := c.begin(ctx, "ListAliases", keyID)
	if err != nil {
		return nil, err
	}
	var aliases []kmsclient.AliasEntry
	for marker := (*string)(nil); ; {
		out, _, err := run(ctx, cl, (*kms.Client).ListAliases,
			&kms.ListAliasesInput{KeyId: orNil(cl.keyID), Limit: aws.Int32(aliasPage), Marker: marker})
		if err != nil {
			return nil, err
		}
		for _, a := range out.Aliases {
			aliases = append(aliases, kmsclient.AliasEntry{Name: aws.ToString(a.AliasName),
				ARN: aws.ToString(a.AliasArn), TargetKeyID: aws.ToString(a.TargetKeyId),
				CreatedAt: aws.ToTime(a.CreationDate), UpdatedAt: aws.ToTime(a.LastUpdatedDate)})
		}
		if marker, err = cl.nextPage(out.Truncated, out.NextMarker, marker); marker == nil {
			return aliases, err
		}
	}
}

// EnableKey implements kmsclient.Admin.
func (c *Client) EnableKey(ctx context.Context, keyID string) error {
	cl, err := c.beginWithKey(ctx, "EnableKey", keyID)
	if err != nil {
		return err
	}
	_, _, err = run(ctx, cl, (*kms.Client).EnableKey, &kms.EnableKeyInput{KeyId: &cl.keyID})
	return err
}

// DisableKey implements kmsclient.Admin.
func (c *Client) DisableKey(ctx context.Context, keyID string) error {
	cl, err := c.beginWithKey(ctx, "DisableKey", keyID)
	if err != nil {
		return err
	}
	_, _, err = run(ctx, cl, (*kms.Client).DisableKey, &kms.DisableKeyInput{KeyId: &cl.keyID})
	return err
}

// ScheduleKeyDeletion implements kmsclient.Admin.
func (c *Client) ScheduleKeyDeletion(ctx context.Context, keyID string,
	days int) (time.Time, error) {
	cl, err := c.beginWithKey(ctx, "ScheduleKeyDeletion", keyID)
	if err != nil {
		return time.Time{}, err
	}
	ask := &kms.ScheduleKeyDeletionInput{KeyId: &cl.keyID}
	if days != 0 {
		if days < 7 || days > 30 {
			return time.Time{}, cl.invalid("a key is deleted after 7 to 30 days, not after %d", days)
		}
		ask.PendingWindowInDays = aws.Int32(int32(days))
	}
	out, _, err := run(ctx, cl, (*kms.Client).ScheduleKeyDeletion, ask)
	if err != nil {
		return time.Time{}, err
	}
	if out.DeletionDate == nil {
		return time.Time{}, cl.bad("it has no DeletionDate")
	}
	return *out.DeletionDate, nil
}

// CancelKeyDeletion implements kmsclient.Admin.
func (c *Client) CancelKeyDeletion(ctx context.Context, keyID string) error {
	cl, err := c.beginWithKey(ctx, "CancelKeyDeletion", keyID)
	if err != nil {
		return err
	}
	_, _, err = run(ctx, cl, (*kms.Client).CancelKeyDeletion,
		&kms.CancelKeyDeletionInput{KeyId: &cl.keyID})
	return err
}

// RotateKeyOnDemand implements kmsclient.Admin. It is not repeated if the first attempt may have
// arrived: a key has 25 of them.
func (c *Client) RotateKeyOnDemand(ctx context.Context, keyID string) error {
	cl, err := c.beginWithKey(ctx, "RotateKeyOnDemand", keyID)
	if err != nil {
		return err
	}
	cl.once = true
	_, _, err = run(ctx, cl, (*kms.Client).RotateKeyOnDemand,
		&kms.RotateKeyOnDemandInput{KeyId: &cl.keyID})
	return err
}
