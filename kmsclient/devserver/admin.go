package devserver

import (
	"cmp"
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

// newKey reads a CreateKey, which makes symmetric encryption keys only. What the server would not
// keep is refused rather than ignored.
func (r *request) newKey() kmsclient.CreateKeyInput {
	r.unsupported("Policy", "Tags", "CustomKeyStoreId", "XksKeyId")
	r.only("KeyUsage", "ENCRYPT_DECRYPT")
	r.only("KeySpec", kmsclient.Algorithm)
	r.only("CustomerMasterKeySpec", kmsclient.Algorithm)
	r.only("Origin", "AWS_KMS")
	return kmsclient.CreateKeyInput{Description: r.text("Description", 0, maxDescription),
		MultiRegion: r.flag("MultiRegion")}
}

// only refuses a member that has another value than the one there is.
func (r *request) only(name, value string) {
	if v := r.text(name, 1, 64); v != "" && v != value {
		r.fail(refuse("UnsupportedOperationException",
			"%s %s is not supported by this development server, only %s", name, v, value))
	}
}

func describeKey(ctx context.Context, svc kmsclient.Service, r *request, a *answer) error {
	id, opts := r.key(),
		kmsclient.Options{GrantTokens: r.list("GrantTokens", kmsclient.MaxGrantTokens)}
	if r.err != nil {
		return r.err
	}
	meta, err := svc.DescribeKey(ctx, id, opts)
	if err == nil {
		a.metadata(meta)
	}
	return err
}

func (a *answer) metadata(m *kmsclient.KeyMetadata) {
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

// key reads the KeyId of an operation that must have one.
func (r *request) key() string {
	r.require("KeyId")
	return r.keyID("KeyId")
}

// onKey is an operation that takes a KeyId and answers with nothing.
func onKey(do func(kmsclient.Service, context.Context, string) error) operation {
	return func(ctx context.Context, svc kmsclient.Service, r *request, _ *answer) error {
		id := r.key()
		if r.err != nil {
			return r.err
		}
		return do(svc, ctx, id)
	}
}

// onKeyARN is an operation that takes a KeyId and answers with the key's ARN.
func onKeyARN(do func(kmsclient.Service, context.Context, string) error) operation {
	return func(ctx context.Context, svc kmsclient.Service, r *request, a *answer) error {
		if err := onKey(do)(ctx, svc, r, a); err != nil {
			return err
		}
		meta, err := svc.DescribeKey(ctx, r.key(), kmsclient.Options{})
		if err == nil {
			a.text("KeyId", meta.ARN)
		}
		return err
	}
}

func scheduleKeyDeletion(ctx context.Context, svc kmsclient.Service, r *request, a *answer) error {
	days := cmp.Or(r.number("PendingWindowInDays", 1, 365), defaultWindow)
	return onKeyARN(func(svc kmsclient.Service, ctx context.Context, id string) error {
		when, err := svc.ScheduleKeyDeletion(ctx, id, days)
		if err == nil {
			a.moment("DeletionDate", when)
			a.text("KeyState", kmsclient.StatePendingDeletion)
			a.number("PendingWindowInDays", days)
		}
		return err
	})(ctx, svc, r, a)
}

func onAlias(do func(svc kmsclient.Service, ctx context.Context,
	name, target string) error) operation {
	return func(ctx context.Context, svc kmsclient.Service, r *request, _ *answer) error {
		r.require("AliasName", "TargetKeyId")
		name, target := r.text("AliasName", 1, maxAlias), r.keyID("TargetKeyId")
		if r.err != nil {
			return r.err
		}
		return do(svc, ctx, name, target)
	}
}

func deleteAlias(ctx context.Context, svc kmsclient.Service, r *request, _ *answer) error {
	r.require("AliasName")
	name := r.text("AliasName", 1, maxAlias)
	if r.err != nil {
		return r.err
	}
	return svc.DeleteAlias(ctx, name)
}

func listKeys(ctx context.Context, svc kmsclient.Service, r *request, a *answer) error {
	limit, after := r.page(100, 1000)
	if r.err != nil {
		return r.err
	}
	all, err := svc.ListKeys(ctx)
	if err != nil {
		return err
	}
	page, next := cutPage(all, func(k kmsclient.KeyEntry) string { return k.KeyID }, after, limit)
	a.objects("Keys", len(page), func(i int) {
		a.text("KeyId", page[i].KeyID)
		a.text("KeyArn", page[i].ARN)
	})
	a.more(next)
	return nil
}

func listAliases(ctx context.Context, svc kmsclient.Service, r *request, a *answer) error {
	limit, after := r.page(50, 100)
	key := r.keyID("KeyId")
	if r.err != nil {
		return r.err
	}
	all, err := svc.ListAliases(ctx, key)
	if err != nil {
		return err
	}
	page, next := cutPage(all, func(e kmsclient.AliasEntry) string { return e.Name }, after, limit)
	a.objects("Aliases", len(page), func(i int) {
		a.text("AliasName", page[i].Name)
		a.text("AliasArn", page[i].ARN)
		a.optional("TargetKeyId", page[i].TargetKeyID)
		a.moment("CreationDate", page[i].CreatedAt)
		a.moment("LastUpdatedDate", page[i].UpdatedAt)
	})
	a.more(next)
	return nil
}

// page reads Limit and Marker. A marker names the last item of the page before, so that items that
// come or go meanwhile shift nothing.
func (r *request) page(usual, max int) (limit int, after string) {
	limit = cmp.Or(r.number("Limit", 1, max), usual)
	marker := r.text("Marker", 1, 1024)
	name, err := base64.RawURLEncoding.DecodeString(marker)
	if err != nil {
		r.fail(refuse("InvalidMarkerException", "Marker is not one that this server gave out"))
	}
	return limit, string(name)
}

// cutPage sorts a copy of all by name and gives up to limit items whose names come after a name;
// next is the last one's where more follow.
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
