"""A user as the REST API shows one, at sign-in and at /api/me/."""

from rest_framework import serializers

from .models import User


class ContactAddressSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["street", "city", "country"]


class ProfileSerializer(serializers.ModelSerializer):
    firstName = serializers.CharField(source="first_name")
    lastName = serializers.CharField(source="last_name")
    isAdmin = serializers.BooleanField(source="is_admin")
    groups = serializers.ListField(source="group_names")
    contactAddress = ContactAddressSerializer(source="*")

    class Meta:
        model = User
        fields = [
            "id",
            "email",
            "name",
            "firstName",
            "lastName",
            "isAdmin",
            "groups",
            "contactAddress",
            "bio",
        ]
