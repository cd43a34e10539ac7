/* The definitions of all public services, as a serialized google.protobuf.FileDescriptorSet. */
    .section .rodata
    .global descriptors_begin
    .global descriptors_end
descriptors_begin:
    .incbin DESCRIPTOR_SET
descriptors_end:
    .section .note.GNU-stack, "", %progbits
