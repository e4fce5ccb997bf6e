package devserver

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/envseal/envseal/kmsclient"
)

const (
	maxAlias       = 256
	maxDescription = 8192
	defaultWindow  = 30 // days, of ScheduleKeyDeletion
)

// createKey makes symmetric encryption keys only. It refuses, and does not ignore, what the server
// would not keep.
func createKey(ctx context.Context, svc kmsclient.Service, in *request, f *Fault) (*answer, error) {
	in.unsupported("Policy", "Tags", "CustomKeyStoreId", "XksKeyId")
	in.only("KeyUsage", "ENCRYPT_DECRYPT")
	in.only("KeySpec", kmsclient.Algorithm)
	in.only("CustomerMasterKeySpec", kmsclient.Algorithm)
	in.only("Origin", "AWS_KMS")
	ask := kmsclient.CreateKeyInput{Description: in.text("Description", 0, maxDescription),
		MultiRegion: in.flag("MultiRegion")}
	if in.err != nil {
		return nil, in.err
	}
	meta, err := svc.CreateKey(ctx, ask)
	if err != nil {
		return nil, err
	}
	return metadataAnswer(meta, f), nil
}

// only refuses a member that differs from the one possible value.
func (r *request) only(name, value string) {
	if v := r.text(name, 1, 64); v != "" && v != value {
		r.fail(refuse("UnsupportedOperationException",
			name+" "+v+" is not supported by this development server, only "+value))
	}
}

func describeKey(ctx context.Context, svc kmsclient.Service, in *request,
	f *Fault) (*answer, error) {
	in.require("KeyId")
	id, opts := in.keyID("KeyId"),
		kmsclient.Options{GrantTokens: in.list("GrantTokens", kmsclient.MaxGrantTokens)}
	if in.err != nil {
		return nil, in.err
	}
	meta, err := svc.DescribeKey(ctx, id, opts)
	if err != nil {
		return nil, err
	}
	return metadataAnswer(meta, f), nil
}

func metadataAnswer(m *kmsclient.KeyMetadata, f *Fault) *answer {
	a := newAnswer(f)
	a.object("KeyMetadata", func() {
		a.text("AWSAccountId", m.AccountID)
		a.text("KeyId", m.KeyID)
		a.text("Arn", m.ARN)
		a.moment("CreationDate", m.CreationDate)
		a.flag("Enabled", m.Enabled)
		a.text("Description", m.Description)
		a.text("KeyUsage", m.KeyUsage)
		a.text("KeyState", m.KeyState)
		if !m.DeletionDate.IsZero() {
			a.moment("DeletionDate", m.DeletionDate)
		}
		a.text("Origin", m.Origin)
		a.text("KeyManager", m.KeyManager)
		a.text("CustomerMasterKeySpec", m.KeySpec)
		a.text("KeySpec", m.KeySpec)
		a.texts("EncryptionAlgorithms", m.Algorithms)
		a.flag("MultiRegion", m.MultiRegion)
		if m.MultiRegionConfiguration != nil {
			a.object("MultiRegionConfiguration", func() { a.multiRegion(m.MultiRegionConfiguration) })
		}
		a.optional("CurrentKeyMaterialId", m.CurrentKeyMaterialID)
	})
	return a
}

func (a *answer) multiRegion(c *kmsclient.MultiRegionConfiguration) {
	regionKey := func(k kmsclient.RegionKey) {
		a.text("Arn", k.ARN)
		a.text("Region", k.Region)
	}
	a.text("MultiRegionKeyType", c.KeyType)
	a.object("PrimaryKey", func() { regionKey(c.Primary) })
	a.objects("ReplicaKeys", len(c.Replicas), func(i int) { regionKey(c.Replicas[i]) })
}

// onKey runs an operation that takes a KeyId and answers with nothing.
func onKey(ctx context.Context, in *request,
	do func(context.Context, string) error) (*answer, error) {
	in.require("KeyId")
	id := in.keyID("KeyId")
	if in.err != nil {
		return nil, in.err
	}
	return nil, do(ctx, id)
}

func enableKey(ctx context.Context, svc kmsclient.Service, in *request, _ *Fault) (*answer, error) {
	return onKey(ctx, in, svc.EnableKey)
}

func disableKey(ctx context.Context, svc kmsclient.Service, in *request,
	_ *Fault) (*answer, error) {
	return onKey(ctx, in, svc.DisableKey)
}

// onKeyARN runs such an operation too, and answers with the key's ARN.
func onKeyARN(ctx context.Context, svc kmsclient.Service, in *request,
	do func(context.Context, string) error) (arn string, err error) {
	if _, err := onKey(ctx, in, do); err != nil {
		return "", err
	}
	meta, err := svc.DescribeKey(ctx, in.keyID("KeyId"), kmsclient.Options{})
	if err != nil {
		return "", err
	}
	return meta.ARN, nil
}

func scheduleKeyDeletion(ctx context.Context, svc kmsclient.Service, in *request,
	f *Fault) (*answer, error) {
	days := in.number("PendingWindowInDays", 1, 365)
	if days == 0 {
		days = defaultWindow
	}
	a := newAnswer(f)
	arn, err := onKeyARN(ctx, svc, in, func(ctx context.Context, id string) error {
		when, err := svc.ScheduleKeyDeletion(ctx, id, days)
		if err == nil {
			a.moment("DeletionDate", when)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	a.text("KeyId", arn)
	a.text("KeyState", kmsclient.StatePendingDeletion)
	a.number("PendingWindowInDays", days)
	return a, nil
}

func cancelKeyDeletion(ctx context.Context, svc kmsclient.Service, in *request,
	f *Fault) (*answer, error) {
	arn, err := onKeyARN(ctx, svc, in, svc.CancelKeyDeletion)
	if err != nil {
		return nil, err
	}
	a := newAnswer(f)
	a.text("KeyId", arn)
	return a, nil
}

func rotateKeyOnDemand(ctx context.Context, svc kmsclient.Service, in *request,
	f *Fault) (*answer, error) {
	arn, err := onKeyARN(ctx, svc, in, svc.RotateKeyOnDemand)
	if err != nil {
		return nil, err
	}
	a := newAnswer(f)
	a.text("KeyId", arn)
	return a, nil
}

func createAlias(ctx context.Context, svc kmsclient.Service, in *request,
	_ *Fault) (*answer, error) {
	return onAlias(ctx, in, svc.CreateAlias)
}

func updateAlias(ctx context.Context, svc kmsclient.Service, in *request,
	_ *Fault) (*answer, error) {
	return onAlias(ctx, in, svc.UpdateAlias)
}

func onAlias(ctx context.Context, in *request,
	do func(ctx context.Context, name, target string) error) (*answer, error) {
	in.require("AliasName", "TargetKeyId")
	name, target := in.text("AliasName", 1, maxAlias), in.keyID("TargetKeyId")
	if in.err != nil {
		return nil, in.err
	}
	return nil, do(ctx, name, target)
}

func deleteAlias(ctx context.Context, svc kmsclient.Service, in *request,
	_ *Fault) (*answer, error) {
	in.require("AliasName")
	name := in.text("AliasName", 1, maxAlias)
	if in.err != nil {
		return nil, in.err
	}
	return nil, svc.DeleteAlias(ctx, name)
}

func listKeys(ctx context.Context, svc kmsclient.Service, in *request, f *Fault) (*answer, error) {
	limit, after := in.page(100, 1000)
	if in.err != nil {
		return nil, in.err
	}
	all, err := svc.ListKeys(ctx)
	if err != nil {
		return nil, err
	}
	page, next := cutPage(all, func(k kmsclient.KeyEntry) string { return k.KeyID }, after, limit)
	a := newAnswer(f)
	a.objects("Keys", len(page), func(i int) {
		a.text("KeyId", page[i].KeyID)
		a.text("KeyArn", page[i].ARN)
	})
	a.more(next)
	return a, nil
}

func listAliases(ctx context.Context, svc kmsclient.Service, in *request,
	f *Fault) (*answer, error) {
	limit, after := in.page(50, 100)
	key := in.keyID("KeyId")
	if in.err != nil {
		return nil, in.err
	}
	all, err := svc.ListAliases(ctx, key)
	if err != nil {
		return nil, err
	}
	page, next := cutPage(all, func(e kmsclient.AliasEntry) string { return e.Name }, after, limit)
	a := newAnswer(f)
	a.objects("Aliases", len(page), func(i int) {
		a.text("AliasName", page[i].Name)
		a.text("AliasArn", page[i].ARN)
		a.optional("TargetKeyId", page[i].TargetKeyID)
		a.moment("CreationDate", page[i].CreatedAt)
		a.moment("LastUpdatedDate", page[i].UpdatedAt)
	})
	a.more(next)
	return a, nil
}

// page reads Limit and Marker. A marker names the last item of the page before, so that items that
// come or go meanwhile shift nothing.
func (r *request) page(usual, max int) (limit int, after string) {
	limit = r.number("Limit", 1, max)
	if limit == 0 {
		limit = usual
	}
	marker := r.text("Marker", 1, 1024)
	name, err := base64.RawURLEncoding.DecodeString(marker)
	if err != nil {
		r.fail(refuse("InvalidMarkerException", "Marker is not one that this server gave out"))
	}
	return limit, string(name)
}

// cutPage sorts a copy of all by name and gives up to limit items whose names come after a name. If
// more follow, next is the name of the last.
func cutPage[T any](all []T, name func(T) string, after string, limit int) (page []T, next string) {
	all = slices.SortedFunc(slices.Values(all), func(a, b T) int {
		return strings.Compare(name(a), name(b))
	})
	from, _ := slices.BinarySearchFunc(all, after, func(e T, s string) int {
		if name(e) <= s {
			return -1
		}
		return 1
	})
	if page = all[from:]; len(page) > limit {
		page = page[:limit]
		next = name(page[limit-1])
	}
	return page, next
}

func (a *answer) more(next string) {
	a.flag("Truncated", next != "")
	if next != "" {
		a.text("NextMarker", base64.RawURLEncoding.EncodeToString([]byte(next)))
	}
}
