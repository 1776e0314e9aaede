"""Ordinary work with Django: nested `atomic` blocks, the ORM, its schema editor. See ../README.md."""

import json
import sys

import django
from django.conf import settings

from talk import say, value


def configure(dsn):
    settings.configure(
        INSTALLED_APPS=[],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": dsn["database"],
                "USER": dsn["user"],
                "PASSWORD": dsn["password"],
                "HOST": dsn["host"],
                "PORT": dsn["port"],
            }
        },
    )
    django.setup()


configure(json.loads(sys.argv[1]))

from django.db import DatabaseError, IntegrityError, connection, models, transaction  # noqa: E402
from django.db.models import Count, F, Max, Q, Sum  # noqa: E402


class Customer(models.Model):
    name = models.TextField()
    city = models.TextField()
    credit_cents = models.BigIntegerField()

    class Meta:
        app_label = "shop"
        managed = False
        db_table = "customers"


class Order(models.Model):
    customer = models.ForeignKey(Customer, models.DO_NOTHING)

    class Meta:
        app_label = "shop"
        managed = False
        db_table = "orders"


class Note(models.Model):
    text = models.CharField(max_length=40, unique=True)
    count = models.IntegerField(default=0)

    class Meta:
        app_label = "shop"
        db_table = "django_notes"


def reads():
    people = Customer.objects.order_by("id")
    yield "a slice", list(people.values_list("id", "name")[:5])
    yield "a filter", list(people.filter(Q(city="Berlin") | Q(id__lt=4)).values_list("id", flat=True))
    yield "a count", people.filter(city__startswith="B").count()
    yield "an aggregate", list(people.values("city").annotate(n=Count("id"), most=Max("id")).order_by("city")[:5].values_list("city", "n", "most"))
    yield "a join", list(Order.objects.filter(customer__id__lte=3).order_by("id").values_list("id", "customer__name"))
    yield "an iterator", value("".join(str(one) for one in people.values_list("id", flat=True).iterator(chunk_size=30)).ljust(201))
    yield "a sum", people.filter(id__lte=10).aggregate(total=Sum("id"))["total"]
    with transaction.atomic():
        first = people.first().id
        with transaction.atomic():
            second = people.last().id
        yield "reads in nested blocks", [first, second]
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1/0")
        except DatabaseError as error:
            yield "a failed read in a nested block", error.__cause__.sqlstate
        yield "a read behind it", people.filter(id=2).exists()


def writes():
    with connection.schema_editor() as editor:
        editor.create_model(Note)
    with transaction.atomic():
        Note.objects.create(text="outer")
        try:
            with transaction.atomic():
                Note.objects.create(text="inner")
                Note.objects.create(text="outer")
        except IntegrityError as error:
            yield "a duplicate in a nested block", error.__cause__.sqlstate
        with transaction.atomic():
            Note.objects.create(text="second inner")
            with transaction.atomic():
                Note.objects.filter(text="outer").update(count=F("count") + 1)
    yield "what nested blocks left", list(Note.objects.order_by("text").values_list("text", "count"))
    try:
        with transaction.atomic():
            Note.objects.create(text="undone")
            raise RuntimeError("leave the block")
    except RuntimeError:
        yield "an outer block that is undone", Note.objects.filter(text="undone").exists()
    yield "get or create", [Note.objects.get_or_create(text=text)[1] for text in ("outer", "fresh", "fresh")]
    made = Note.objects.bulk_create([Note(text=f"bulk {n}", count=n) for n in range(20)])
    yield "a bulk of rows", len(made)
    yield "an update of many", Note.objects.filter(count__gte=10).update(count=0)
    with transaction.atomic():
        locked = Note.objects.select_for_update().get(text="outer")
        locked.count += 5
        locked.save()
    yield "a locked row", Note.objects.get(text="outer").count
    yield "a deletion", Note.objects.filter(text__startswith="bulk").delete()[0]
    with connection.schema_editor() as editor:
        field = models.TextField(null=True)
        field.set_attributes_from_name("remark")
        editor.add_field(Note, field)
    with connection.cursor() as cursor:
        cursor.execute("SELECT remark FROM django_notes ORDER BY id LIMIT 1")
        yield "a column that was added", cursor.fetchall()
    yield "tables", "django_notes" in connection.introspection.table_names()
    with connection.schema_editor() as editor:
        editor.delete_model(Note)


for name, found in {"reads": reads, "writes": writes}[sys.argv[2]]():
    say({"name": name, "found": json.loads(json.dumps(found, default=str))})
