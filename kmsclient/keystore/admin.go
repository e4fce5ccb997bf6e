package keystore

import (
	"cmp"
	"context"
	"time"
	"unicode/utf8"

	"github.com/envseal/envseal/kmsclient"
)

const (
	maxDescription = 8192 // characters
	minDeletion    = 7    // days
	maxDeletion    = 30
)

// CreateKey makes a symmetric encryption key, enabled.
func (s *Store) CreateKey(ctx context.Context,
	in kmsclient.CreateKeyInput) (made *kmsclient.KeyMetadata, err error) {
	defer complete(&err, "CreateKey", "")
	if !utf8.ValidString(in.Description) || utf8.RuneCountInString(in.Description) > maxDescription {
		return nil, invalid("description", "Member must have length less than or equal to %d",
			maxDescription)
	}
	err = s.change(ctx, 1, func(st *state, now time.Time) error {
		if len(st.keys) >= maxKeys {
			return limitExceeded("keys", maxKeys)
		}
		k := &key{ID: newKeyID(in.MultiRegion), Description: in.Description, Created: now,
			State: kmsclient.StateEnabled}
		st.rotate(k, now)
		st.add(k)
		made = k.metadata()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// DescribeKey tells about a key in any state.
func (s *Store) DescribeKey(ctx context.Context, keyID string,
	o kmsclient.Options) (_ *kmsclient.KeyMetadata, err error) {
	defer complete(&err, "DescribeKey", keyID)
	st, err := s.enter(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.release(st)
	k, err := st.resolve(keyID)
	if err != nil {
		return nil, err
	}
	if o.DryRun {
		return nil, dryRunDone()
	}
	return k.metadata(), nil
}

// ListKeys lists all keys in the order of their creation.
func (s *Store) ListKeys(ctx context.Context) (out []kmsclient.KeyEntry, err error) {
	defer complete(&err, "ListKeys", "")
	st, err := s.enter(ctx, kmsclient.Options{})
	if err != nil {
		return nil, err
	}
	defer s.release(st)
	for _, k := range st.keys {
		out = append(out, kmsclient.KeyEntry{KeyID: k.ID, ARN: k.arn()})
	}
	return out, nil
}

// EnableKey makes a disabled key usable again.
func (s *Store) EnableKey(ctx context.Context, keyID string) error {
	return s.setState(ctx, "EnableKey", keyID, kmsclient.StateEnabled)
}

// DisableKey makes a key unusable until EnableKey.
func (s *Store) DisableKey(ctx context.Context, keyID string) error {
	return s.setState(ctx, "DisableKey", keyID, kmsclient.StateDisabled)
}

func (s *Store) setState(ctx context.Context, op, keyID, to string) error {
	return s.changeKey(ctx, op, keyID, func(_ *state, k *key, _ time.Time) error {
		if err := k.checkNotPending(); err != nil {
			return err
		}
		k.State = to
		return nil
	})
}

// ScheduleKeyDeletion makes a key unusable at once, and lets it vanish with its backing keys and
// aliases once days (7..30, 0 means 30) have passed: what it encrypted is then lost for good. The
// bytes leave the file with the first change after that day.
func (s *Store) ScheduleKeyDeletion(ctx context.Context, keyID string,
	days int) (due time.Time, err error) {
	defer complete(&err, "ScheduleKeyDeletion", keyID)
	days = cmp.Or(days, maxDeletion)
	if days < minDeletion || days > maxDeletion {
		return time.Time{}, invalid("pendingWindowInDays", "Member must have value between %d and %d",
			minDeletion, maxDeletion)
	}
	err = s.changeKey(ctx, "ScheduleKeyDeletion", keyID, func(_ *state, k *key, now time.Time) error {
		if err := k.checkNotPending(); err != nil {
			return err
		}
		due = now.AddDate(0, 0, days)
		k.State, k.Deletion = kmsclient.StatePendingDeletion, due
		return nil
	})
	return due, err
}

// CancelKeyDeletion takes a key back from deletion and leaves it disabled.
func (s *Store) CancelKeyDeletion(ctx context.Context, keyID string) error {
	return s.changeKey(ctx, "CancelKeyDeletion", keyID, func(_ *state, k *key, _ time.Time) error {
		if k.State != kmsclient.StatePendingDeletion {
			return refuse(kmsclient.ErrInvalidState, "%s is not pending deletion.", k.arn())
		}
		k.State, k.Deletion = kmsclient.StateDisabled, time.Time{}
		return nil
	})
}

// RotateKeyOnDemand gives the key new key material for what is encrypted from now on. Older blobs
// still open.
func (s *Store) RotateKeyOnDemand(ctx context.Context, keyID string) error {
	return s.changeKey(ctx, "RotateKeyOnDemand", keyID, func(st *state, k *key, now time.Time) error {
		if err := k.checkUsable(); err != nil {
			return err
		}
		if len(k.Backing) > maxRotations {
			return limitExceeded("rotations of a key", maxRotations)
		}
		st.rotate(k, now)
		return nil
	})
}

// changeKey applies a change to one key, which must be named by id or key ARN.
func (s *Store) changeKey(ctx context.Context, op, keyID string,
	apply func(*state, *key, time.Time) error) (err error) {
	defer complete(&err, op, keyID)
	return s.change(ctx, 1, func(st *state, now time.Time) error {
		k, err := st.resolveID(keyID)
		if err != nil {
			return err
		}
		return apply(st, k, now)
	})
}
