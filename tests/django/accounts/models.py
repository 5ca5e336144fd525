"""The user of the test backend: Django's own, signing in by e-mail, with the
profile fields that the tests pass through Hallpass."""

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.db import models


class UserManager(BaseUserManager):
    def create_user(self, email, password, **fields):
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractUser):
    username = None
    email = models.EmailField(unique=True)
    is_admin = models.BooleanField(default=False)
    street = models.CharField(max_length=200, blank=True)
    city = models.CharField(max_length=200, blank=True)
    country = models.CharField(max_length=2, blank=True)
    bio = models.TextField(blank=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []
    objects = UserManager()

    @property
    def name(self):
        return self.get_full_name()

    @property
    def group_names(self):
        return list(self.groups.order_by("pk").values_list("name", flat=True))


class Answered(models.Model):
    """What a refresh with this Idempotency-Key was answered, so that a repeated
    request is answered the same and spends nothing (IDEMPOTENT=1)."""

    key = models.CharField(max_length=200, primary_key=True)
    data = models.JSONField()
