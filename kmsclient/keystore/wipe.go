package keystore

import (
	"reflect"
	"unsafe"
)

// wipeInside zeroes one field inside a value of another package that offers no way to wipe it: v is a pointer, path leads to the field
// through structs and pointers. The field must be free of pointers, or a slice of such elements. It tells whether it found the field; a
// test checks each use, so that a new Go version that moves a field is noticed.
func wipeInside(v any, path ...string) bool {
	f := reflect.ValueOf(v)
	for _, name := range path {
		f = behind(f)
		if f.Kind() != reflect.Struct {
			return false
		}
		f = f.FieldByName(name)
	}
	f = behind(f)
	switch {
	case !f.IsValid():
		return false
	case f.Kind() == reflect.Slice && isPlain(f.Type().Elem()):
		wipeAt(f.UnsafePointer(), uintptr(f.Len())*f.Type().Elem().Size())
	case f.CanAddr() && isPlain(f.Type()):
		wipeAt(unsafe.Pointer(f.UnsafeAddr()), f.Type().Size())
	default:
		return false
	}
	return true
}

func behind(f reflect.Value) reflect.Value {
	for f.Kind() == reflect.Pointer || f.Kind() == reflect.Interface {
		f = f.Elem()
	}
	return f
}

func wipeAt(p unsafe.Pointer, n uintptr) {
	clear(unsafe.Slice((*byte)(p), n))
}

// isPlain tells whether values of the type hold no pointers.
func isPlain(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return isPlain(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !isPlain(t.Field(i).Type) {
				return false
			}
		}
		return true
	case reflect.String:
		return false
	}
	return t.Kind() <= reflect.Complex128 && t.Kind() != reflect.Invalid
}
