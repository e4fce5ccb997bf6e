package awskms

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/envseal/envseal/kmsclient"
)

// CreateKey implements kmsclient.Admin. It is not repeated where the first attempt may have
// arrived: that would make two keys.
func (c *Client) CreateKey(ctx context.Context,
	in kmsclient.CreateKeyInput) (*kmsclient.KeyMetadata, error) {
	cl, err := c.begin(ctx, "CreateKey", "")
	if err != nil {
		return nil, err
	}
	out, _, err := run(ctx, cl, (*kms.Client).CreateKey, &kms.CreateKeyInput{
		Description: orNil(in.Description), MultiRegion: orNil(in.MultiRegion),
		KeySpec: types.KeySpecSymmetricDefault, KeyUsage: types.KeyUsageTypeEncryptDecrypt,
	})
	if err != nil {
		return nil, err
	}
	return cl.metadata(out.KeyMetadata)
}

// onKey calls an operation that names a key, or an alias, and of whose answer nothing is needed.
func onKey[In, Out any](ctx context.Context, c *Client, op, keyID string, do method[In, Out],
	ask func(keyID *string) *In) error {
	cl, err := c.beginWithKey(ctx, op, keyID)
	if err != nil {
		return err
	}
	_, _, err = run(ctx, cl, do, ask(&cl.keyID))
	return err
}

// CreateAlias implements kmsclient.Admin.
func (c *Client) CreateAlias(ctx context.Context, name, targetKeyID string) error {
	return onKey(ctx, c, "CreateAlias", targetKeyID, (*kms.Client).CreateAlias,
		func(id *string) *kms.CreateAliasInput {
			return &kms.CreateAliasInput{AliasName: &name, TargetKeyId: id}
		})
}

// UpdateAlias implements kmsclient.Admin.
func (c *Client) UpdateAlias(ctx context.Context, name, targetKeyID string) error {
	return onKey(ctx, c, "UpdateAlias", targetKeyID, (*kms.Client).UpdateAlias,
		func(id *string) *kms.UpdateAliasInput {
			return &kms.UpdateAliasInput{AliasName: &name, TargetKeyId: id}
		})
}

// DeleteAlias implements kmsclient.Admin.
func (c *Client) DeleteAlias(ctx context.Context, name string) error {
	return onKey(ctx, c, "DeleteAlias", name, (*kms.Client).DeleteAlias,
		func(name *string) *kms.DeleteAliasInput {
			return &kms.DeleteAliasInput{AliasName: name}
		})
}

// EnableKey implements kmsclient.Admin.
func (c *Client) EnableKey(ctx context.Context, keyID string) error {
	return onKey(ctx, c, "EnableKey", keyID, (*kms.Client).EnableKey,
		func(id *string) *kms.EnableKeyInput {
			return &kms.EnableKeyInput{KeyId: id}
		})
}

// DisableKey implements kmsclient.Admin.
func (c *Client) DisableKey(ctx context.Context, keyID string) error {
	return onKey(ctx, c, "DisableKey", keyID, (*kms.Client).DisableKey,
		func(id *string) *kms.DisableKeyInput {
			return &kms.DisableKeyInput{KeyId: id}
		})
}

// CancelKeyDeletion implements kmsclient.Admin.
func (c *Client) CancelKeyDeletion(ctx context.Context, keyID string) error {
	return onKey(ctx, c, "CancelKeyDeletion", keyID, (*kms.Client).CancelKeyDeletion,
		func(id *string) *kms.CancelKeyDeletionInput {
			return &kms.CancelKeyDeletionInput{KeyId: id}
		})
}

// RotateKeyOnDemand implements kmsclient.Admin. It is not repeated where the first attempt may have
// arrived: a key has 25 of them.
func (c *Client) RotateKeyOnDemand(ctx context.Context, keyID string) error {
	return onKey(ctx, c, "RotateKeyOnDemand", keyID, (*kms.Client).RotateKeyOnDemand,
		func(id *string) *kms.RotateKeyOnDemandInput {
			return &kms.RotateKeyOnDemandInput{KeyId: id}
		})
}

// ScheduleKeyDeletion implements kmsclient.Admin.
func (c *Client) ScheduleKeyDeletion(ctx context.Context, keyID string,
	days int) (time.Time, error) {
	cl, err := c.beginWithKey(ctx, "ScheduleKeyDeletion", keyID)
	if err != nil {
		return time.Time{}, err
	}
	if days != 0 && (days < 7 || days > 30) {
		return time.Time{}, cl.invalid("a key is deleted after 7 to 30 days, not after %d", days)
	}
	out, _, err := run(ctx, cl, (*kms.Client).ScheduleKeyDeletion,
		&kms.ScheduleKeyDeletionInput{KeyId: &cl.keyID, PendingWindowInDays: orNil(int32(days))})
	if err != nil {
		return time.Time{}, err
	}
	if out.DeletionDate == nil {
		return time.Time{}, cl.bad("it has no DeletionDate")
	}
	return *out.DeletionDate, nil
}

// How many rows a page of a list has, so that a page fits into maxAnswer whatever the names are.
// The name of an alias has up to 256 bytes and stands in its row twice: 100 such rows have 70 KB.
const (
	keyPage   = 100
	aliasPage = 50
)

// pages reads a list page by page. read takes over the rows of the page behind marker, and tells
// whether and where there are more.
func (cl *call) pages(read func(marker *string) (truncated bool, next *string, err error)) error {
	for marker := (*string)(nil); ; {
		truncated, next, err := read(marker)
		if err != nil || !truncated {
			return err
		}
		if aws.ToString(next) == "" || marker != nil && *next == *marker {
			return cl.bad("there is said to be another page, and no way to it")
		}
		marker = next
	}
}

// ListKeys implements kmsclient.Admin.
func (c *Client) ListKeys(ctx context.Context) (keys []kmsclient.KeyEntry, err error) {
	cl, err := c.begin(ctx, "ListKeys", "")
	if err != nil {
		return nil, err
	}
	err = cl.pages(func(marker *string) (bool, *string, error) {
		out, _, err := run(ctx, cl, (*kms.Client).ListKeys,
			&kms.ListKeysInput{Limit: aws.Int32(keyPage), Marker: marker})
		if err != nil {
			return false, nil, err
		}
		for _, k := range out.Keys {
			keys = append(keys, kmsclient.KeyEntry{KeyID: aws.ToString(k.KeyId),
				ARN: aws.ToString(k.KeyArn)})
		}
		return out.Truncated, out.NextMarker, nil
	})
	if err != nil {
		return nil, err
	}
	return keys, nil
}

// ListAliases implements kmsclient.Admin.
func (c *Client) ListAliases(ctx context.Context,
	keyID string) (aliases []kmsclient.AliasEntry, err error) {
	cl, err := c.begin(ctx, "ListAliases", keyID)
	if err != nil {
		return nil, err
	}
	err = cl.pages(func(marker *string) (bool, *string, error) {
		out, _, err := run(ctx, cl, (*kms.Client).ListAliases,
			&kms.ListAliasesInput{KeyId: orNil(cl.keyID), Limit: aws.Int32(aliasPage), Marker: marker})
		if err != nil {
			return false, nil, err
		}
		for _, a := range out.Aliases {
			aliases = append(aliases, kmsclient.AliasEntry{Name: aws.ToString(a.AliasName),
				ARN: aws.ToString(a.AliasArn), TargetKeyID: aws.ToString(a.TargetKeyId),
				CreatedAt: aws.ToTime(a.CreationDate), UpdatedAt: aws.ToTime(a.LastUpdatedDate)})
		}
		return out.Truncated, out.NextMarker, nil
	})
	if err != nil {
		return nil, err
	}
	return aliases, nil
}
