package secret

import (
	"reflect"
	"unsafe"
)

// WipeField zeroes one field inside a value of a package that offers no way to wipe it. v is a
// pointer. path leads through structs, pointers and interfaces to a value without pointers, or to a
// slice of such values. It tells whether there was such a field: a new release may move it, so
// whoever relies on it has a test that notices.
func WipeField(v any, path ...string) bool {
	f := target(reflect.ValueOf(v))
	for _, name := range path {
		if f.Kind() != reflect.Struct {
			return false
		}
		f = target(f.FieldByName(name))
	}
	switch {
	case !f.IsValid():
		return false
	case f.Kind() == reflect.Slice && flat(f.Type().Elem()):
		Wipe(unsafe.Slice((*byte)(f.UnsafePointer()), uintptr(f.Len())*f.Type().Elem().Size()))
		return true
	case f.CanAddr() && flat(f.Type()):
		Wipe(unsafe.Slice((*byte)(unsafe.Pointer(f.UnsafeAddr())), f.Type().Size()))
		return true
	}
	return false
}

// target is what f leads to, through pointers and interfaces.
func target(f reflect.Value) reflect.Value {
	for f.Kind() == reflect.Pointer || f.Kind() == reflect.Interface {
		f = f.Elem()
	}
	return f
}
